// SPDX-License-Identifier: Apache-2.0

/// `ipc` alone: what is on this host, in three lines, and what to try next.
enum Overview {
    static func show() throws { throw Failure.usage("ipc --help shows what there is") }

    static func addresses(startingWith prefix: String) -> [String] { [] }
}
