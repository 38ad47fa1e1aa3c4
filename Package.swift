// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// Every target speaks the same dialect: Swift 6, strict memory safety as an error, no hop to
// another executor where the caller did not ask for one.
var settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatWarning("StrictMemorySafety", as: .error),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableExperimentalFeature("Lifetimes"),
]
// A warning is an error where nobody would look at it. Not as a compiler flag of the command line: that would reach the
// dependencies as well.
if Context.environment["INTERPROCESS_WARNINGS_AS_ERRORS"] == "1" {
    settings.append(.treatAllWarnings(as: .error))
}

// Tests may look under the surface; strict memory safety would be noise there.
let testSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableExperimentalFeature("Lifetimes"),
]

// A folder of Examples/ each, one line an entry.
var examples: [String] = [
    "locks-lease",
    "locks-survive-a-kill",
    "message-queues-first-of-many",
    "message-queues-priorities",
    "messaging-camera-and-viewer",
    "messaging-killed-publisher",
    "messaging-log-lines",
    "pipes-duplicate-stream",
    "pipes-reply-fifo",
    "processes-debugger",
    "processes-child-event",
    "processes-supervised",
    "semaphores-producer-consumer",
    "semaphores-starvation",
    "shared-memory-picture",
    "shared-memory-sealed",
    "signals-carry-values",
    "sockets-echo",
    "sockets-pass-descriptor",
]

// A folder of Tests/ each, one line an entry.
var tests: [String] = [
    "DocumentationTests",
    "InterprocessTests",
    "InterprocessTestKitTests",
    "InterprocessInspectionTests",
    "InterprocessStructuresTests",
    "InterprocessMessagingTests",
    "CommandTests",
    "TidyTests",
]

// A quick loop for who works on one folder: INTERPROCESS_TESTS=InterprocessTests/Locks,TidyTests builds these tests and the
// library, and neither examples nor, unless CommandTests are among them, the command.
let chosen = Context.environment["INTERPROCESS_TESTS"]?.split(separator: ",").map {
    $0.split(separator: "/").map(String.init)
}
var chosenFolders: [String: [String]] = [:]
if let chosen {
    for path in chosen { chosenFolders[path[0], default: []] += path.dropFirst() }
    tests = tests.filter { chosenFolders[$0] != nil }
    examples = []
}
let withCommand = chosen == nil || chosenFolders["CommandTests"] != nil

let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let ipcTarget = Target.executableTarget(
    name: "ipc",
    dependencies: [
        "Interprocess", "InterprocessMessaging", "InterprocessInspection", "InterprocessSyscalls", arguments, system,
        .product(name: "Histogram", package: "hdrhistogram-swift"),
    ],
    swiftSettings: settings)

// The second process of the tests of messaging: not a product.
let peerTarget = Target.executableTarget(
    name: "messaging-peer", dependencies: ["Interprocess", "InterprocessMessaging", system],
    path: "Tests/MessagingPeer",
    swiftSettings: testSettings + [.enableUpcomingFeature("InternalImportsByDefault")])

let package = Package(
    name: "swift-interprocess",
    products: [
        .library(name: "Interprocess", targets: ["Interprocess"]),
        .library(name: "InterprocessMessaging", targets: ["InterprocessMessaging"]),
        .library(name: "InterprocessJSON", targets: ["InterprocessJSON"]),
        .library(name: "InterprocessInspection", targets: ["InterprocessInspection"]),
    ] + (withCommand ? [.executable(name: "ipc", targets: ["ipc"])] : []),
    dependencies: [
        .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.6.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        .target(name: "CInterprocess"),
        .target(
            name: "InterprocessSyscalls",
            dependencies: ["CInterprocess", system],
            swiftSettings: settings),
        .target(
            name: "Interprocess",
            dependencies: ["InterprocessSyscalls", system],
            swiftSettings: settings),
        .target(name: "InterprocessStructures", swiftSettings: settings),
        .target(
            name: "InterprocessMessaging",
            dependencies: ["Interprocess", "InterprocessStructures", "InterprocessSyscalls", system],
            swiftSettings: settings),
        .target(name: "InterprocessJSON", dependencies: ["InterprocessMessaging"], swiftSettings: settings),
        .target(
            name: "InterprocessInspection",
            dependencies: ["Interprocess", "InterprocessSyscalls", system],
            swiftSettings: settings),
        .target(
            name: "InterprocessTestKit",
            dependencies: ["Interprocess", "InterprocessSyscalls", system],
            swiftSettings: settings),
    ]
        + (tests.contains("InterprocessMessagingTests") ? [peerTarget] : [])
        + (withCommand ? [ipcTarget] : [])
        + examples.map {
            .executableTarget(
                name: $0, dependencies: ["Interprocess", "InterprocessMessaging", "InterprocessJSON", system],
                path: "Examples/\($0)",
                exclude: ["README.md"],
                swiftSettings: settings)
        }
        + tests.map {
            .testTarget(
                name: $0,
                dependencies: [
                    "Interprocess", "InterprocessSyscalls", "InterprocessInspection", "InterprocessTestKit", system,
                ] + (withCommand ? ["ipc"] : [])
                    + (["InterprocessStructuresTests", "InterprocessMessagingTests"].contains($0)
                        ? ["InterprocessStructures"] : [])
                    + ($0 == "InterprocessMessagingTests" ? ["messaging-peer"] : [])
                    + ($0 == "InterprocessStructuresTests" ? [] : ["InterprocessMessaging", "InterprocessJSON"]),
                sources: chosenFolders[$0].flatMap { $0.isEmpty ? nil : $0 },
                // What the README shows is compiled as its readers would compile it.
                swiftSettings: $0 == "DocumentationTests" ? [.swiftLanguageMode(.v6)] : testSettings)
        }
)
