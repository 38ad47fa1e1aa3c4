// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// A package of its own: nobody who uses the library builds this, and it sees of the library what every user sees.
let package = Package(
    name: "benchmarks",
    dependencies: [.package(name: "swift-interprocess", path: "..")],
    targets: [
        // Starting processes on a chosen CPU, and the clock: the same code for both sides.
        .target(name: "CSupport"),
        // The loops in plain C, a program of its own.
        .executableTarget(name: "c-side", dependencies: ["CSupport"]),
        // The loops in Swift, and what compares both.
        .executableTarget(
            name: "benchmarks",
            dependencies: ["CSupport", .product(name: "Interprocess", package: "swift-interprocess")],
            swiftSettings: [
                .swiftLanguageMode(.v6),
                .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
                .enableUpcomingFeature("InternalImportsByDefault"),
                .enableUpcomingFeature("ExistentialAny"),
            ]),
        // Locks: the loops of both sides in one process and its children.
        .target(name: "CLocks"),
        .executableTarget(
            name: "lock-benchmarks",
            dependencies: ["CLocks", .product(name: "Interprocess", package: "swift-interprocess")],
            swiftSettings: [.swiftLanguageMode(.v6)]),
        // Benchmarks/compare: what its subjects share, and the limit with what the kernel offers. The peers that need
        // packages are in Peers/ and built by the command.
        .target(name: "CCompare"),
        .executableTarget(name: "compare-c", dependencies: ["CCompare"]),
        .executableTarget(
            name: "compare-interprocess",
            dependencies: [
                "CCompare", .product(name: "Interprocess", package: "swift-interprocess"),
                .product(name: "InterprocessMessaging", package: "swift-interprocess"),
            ],
            swiftSettings: [
                .swiftLanguageMode(.v6),
                .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
                .enableUpcomingFeature("InternalImportsByDefault"),
                .enableUpcomingFeature("ExistentialAny"),
                .enableExperimentalFeature("Lifetimes"),
            ]),
    ]
)
