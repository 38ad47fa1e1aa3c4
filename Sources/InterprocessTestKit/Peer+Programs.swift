// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
package import SystemPackage
package import Testing

extension Peer {
    /// A Python script, unbuffered; `arguments` are its `sys.argv[1:]`.
    package static func python(
        _ script: String, _ arguments: [String] = [], descriptors: [CInt: CInt] = [:]
    ) throws -> Peer {
        guard let python = Program.python else { throw PeerFailure("no program python3") }
        return try Peer([python, "-u", "-c", script] + arguments, descriptors: descriptors)
    }

    /// A Perl script with output unbuffered; `arguments` are its `@ARGV`.
    package static func perl(
        _ script: String, _ arguments: [String] = [], descriptors: [CInt: CInt] = [:]
    ) throws -> Peer {
        try Peer(["perl", "-e", "$| = 1; " + script] + arguments, descriptors: descriptors)
    }

    /// A Ruby script with output unbuffered; `arguments` are its `ARGV`.
    package static func ruby(
        _ script: String, _ arguments: [String] = [], descriptors: [CInt: CInt] = [:]
    ) throws -> Peer {
        try Peer(["ruby", "-e", "$stdout.sync = true; " + script] + arguments, descriptors: descriptors)
    }

    /// A line for `/bin/sh`.
    package static func shell(
        _ line: String, descriptors: [CInt: CInt] = [:], environment: [String: String] = [:]
    ) throws -> Peer {
        try Peer(["/bin/sh", "-c", line], descriptors: descriptors, environment: environment)
    }

    /// The command of this package, as built beside the tests.
    package static func ipc(
        _ arguments: String..., descriptors: [CInt: CInt] = [:], environment: [String: String] = [:]
    ) throws -> Peer {
        try Peer([Checkout.command.string] + arguments, descriptors: descriptors, environment: environment)
    }

    /// Runs the command of this package to its end.
    package static func runIPC(_ arguments: String..., input: [UInt8] = []) throws -> PeerOutcome {
        let peer = try Peer([Checkout.command.string] + arguments)
        if !input.isEmpty { try peer.write(input) }
        return try peer.finish()
    }
}

/// Programs that tests use and a machine may lack.
package enum Program {
    /// The file of a program: `name` itself if it has a slash, else the first found in PATH.
    package static func find(_ name: String) -> FilePath? {
        if name.contains("/") { return FilePath(name) }
        let folders = (TestSyscalls.environmentVariable("PATH") ?? "/usr/bin:/bin").split(separator: ":")
        for folder in folders {
            let path = FilePath(String(folder)).appending(name)
            if let status = try? sysStatus(path, followLinks: true),
                status.kind == .regular, status.permissions & 0o111 != 0
            {
                return path
            }
        }
        return nil
    }

    /// The interpreter itself, not a wrapper that starts it.
    static let python: String? = {
        guard let first = find("python3"),
            let peer = try? Peer([first.string, "-c", "import sys; print(sys.executable)"]),
            let line = try? peer.readLine(), !line.isEmpty
        else { return nil }
        return line
    }()

    /// Whether Python can import a module.
    static func pythonHas(_ module: String) -> Bool {
        guard python != nil, let peer = try? Peer.python("import \(module)") else { return false }
        return (try? peer.wait()) == .exited(0)
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips, naming the program, where it is not installed.
    package static func requires(_ programs: String...) -> Self {
        let missing = programs.filter { Program.find($0) == nil }
        return .enabled(if: missing.isEmpty, "needs \(missing.joined(separator: ", ")), which is not installed")
    }

    /// Skips, naming the module, where Python or the module is not installed.
    package static func requires(python module: String) -> Self {
        .enabled(if: Program.pythonHas(module), "needs python3 with \(module), which is not installed")
    }

    /// Skips where the tests do not run as root.
    package static var requiresRoot: Self {
        .enabled(if: sysEffectiveUserID() == 0, "needs root")
    }
}
