// SPDX-License-Identifier: Apache-2.0
import InterprocessTestKit
import SystemPackage
import Testing

/// Root, and a command that nobody may run.
private let canBeSomebodyElse: Bool = {
    let command = Checkout.command.string
    let outcome = try? Peer.shell("setpriv --reuid=65534 --clear-groups '\(command)' --version").finish()
    return outcome?.status == .exited(0)
}()

/// What a stranger is told: 5 for what he may not do, 2 for what he may not see all of.
@Suite(.enabled(if: canBeSomebodyElse)) struct PermissionTests {
    let scratch = ScratchName()

    private func asNobody(_ words: [String]) throws -> PeerOutcome {
        try Peer(["setpriv", "--reuid=65534", "--clear-groups", Checkout.command.string] + words).finish()
    }

    static let kinds = ["shm", "sem", "sysv-shm", "sysv-sem", "sysv-msg", "mq", "file"]

    /// Made by root with mode 0600.
    private func make(_ kind: String) throws -> String {
        let name =
            switch kind {
            case "shm", "sem", "mq": "\(kind):\(scratch.queueName())"
            case "file": "file:\(scratch.path())"
            default: "\(kind):private"
            }
        let size = kind.hasSuffix("shm") ? ["--size", "4K"] : []
        let outcome = try Peer([Checkout.command.string, "create", name] + size).finish()
        return outcome.text.trimmed
    }

    @Test(arguments: kinds) func whatIsNotHisHeMayNotTouch(_ kind: String) throws {
        let address = try make(kind)
        var attempts = [["chmod", "0666", address], ["chown", "65534", address]]
        if kind != "file" { attempts.append(["remove", address]) }
        switch kind {
        case "shm", "sysv-shm", "file": attempts += [["read", address], ["write", address, "x"]]
        case "sem", "sysv-sem": attempts += [["wait", address, "--no-wait"], ["post", address]]
        default: attempts += [["send", address, "x"], ["receive", address, "--no-wait"]]
        }
        for words in attempts {
            let outcome = try asNobody(words)
            #expect(outcome.status == .exited(5), "\(words): \(outcome.errorText)")
            #expect(outcome.errorText.contains("EACCES") || outcome.errorText.contains("EPERM"), "\(words)")
            #expect(outcome.errorText.contains(address), "\(words): \(outcome.errorText)")
        }
        if kind.hasSuffix("sem") {
            #expect(try asNobody(["wait", address, "--no-wait", "--", "true"]).status == .exited(105))
        }
        if kind == "file" {
            #expect(try asNobody(["lock", address, "--", "true"]).status == .exited(105))
        }
        try ipc("remove", address)
    }

    @Test(arguments: ["shm", "sem"]) func whoHasItIsNotAllSeen(_ kind: String) throws {
        let address = try make(kind)
        let outcome = try asNobody(["show", address, "--json"])
        #expect(outcome.status == .exited(2) && outcome.errorText.contains("CAP_SYS_PTRACE"))
        #expect(
            try parsed(outcome.text, "(d[0]['owner'], d[0]['mode'], d[0]['holdersComplete'])")
                == "('root', '0600', False)")
        // Nobody knows who has it, so that it is left alone.
        _ = try asNobody(["remove", "--orphaned", address])
        try ipc("show", address)
        try ipc("remove", address)
    }

    @Test func aSetThatMayOnlyBeReadIsShownAndNotTaken() throws {
        let address = try ipc("create", "sysv-sem:private", "--values", "2,3", "--mode", "0644").text.trimmed
        #expect(try parsed(try asNobody(["show", address, "--json"]).text, "d[0]['values']") == "[2, 3]")
        #expect(try asNobody(["wait", address]).status == .exited(5))
        try ipc("remove", address)
        let closed = try ipc("create", "sysv-sem:private", "--values", "2,3").text.trimmed
        #expect(
            try parsed(try asNobody(["show", closed, "--json"]).text, "(d[0]['count'], 'values' in d[0])")
                == "(2, False)")
        try ipc("remove", closed)
    }
}
