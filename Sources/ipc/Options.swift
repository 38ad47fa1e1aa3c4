// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess
import SystemPackage

/// Turns words of the command line into values; the library's parsers say what is wrong.
enum Read {
    static func address(_ text: String) throws -> Address {
        do { return try Address(text) } catch { throw ValidationError("\(error.subject): \(error.hint)") }
    }

    static func duration(_ text: String) throws -> Duration {
        do { return try Quantity.duration(text) } catch { throw ValidationError(error.hint) }
    }

    static func size(_ text: String) throws -> Int {
        do { return try Quantity.size(text) } catch { throw ValidationError(error.hint) }
    }

    static func mode(_ text: String) throws -> FilePermissions {
        do { return try Quantity.permissions(text) } catch { throw ValidationError(error.hint) }
    }

    static func positive(_ text: String) throws -> Int {
        guard let value = Int(text), value > 0 else { throw ValidationError("a number from 1 up is wanted") }
        return value
    }
}

/// How long a verb waits.
struct WaitOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Wait at most this long (500ms, 2s, 1m), then end with 4.", valueName: "duration"),
        transform: Read.duration)
    var timeout: Duration?

    @Flag(help: "Do not wait at all: end with 4 if it cannot be done at once.")
    var noWait = false

    func validate() throws {
        if noWait && timeout != nil { throw ValidationError("--no-wait and --timeout exclude each other") }
    }

    /// A fresh deadline, counted from now.
    var deadline: Deadline { noWait ? .now : timeout.map { .after($0) } ?? .never }
}

extension ArgumentHelp {
    static let address = ArgumentHelp("The object, as kind:name.", valueName: "address")
}

extension CompletionKind {
    /// The objects that are there now.
    static var addresses: CompletionKind { .custom { _, _, prefix in Overview.addresses(startingWith: prefix) } }
}
