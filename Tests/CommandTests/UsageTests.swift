// SPDX-License-Identifier: Apache-2.0
import InterprocessTestKit
import Testing

/// What people mistype, and what they ask for that is not there.
@Suite struct UsageTests {
    @Test(arguments: [
        (["sned", "mq:/x"], "send"), (["recieve", "mq:/x"], "receive"), (["lsit"], "list"),
        (["delete", "mq:/x"], "remove"),
        (["send", "mqq:/x", "a"], "mq:/x"), (["list", "fifos"], "fifo"), (["list", "--filter", "usd > 3"], "used"),
        (["list", "-o", "adress"], "address"), (["call", "service:x"], "not built"),
        (["lock", "file:/x"], "command"), (["wiat", "sem:/x"], "wait"), (["pots", "sem:/x"], "post"),
        (["lokc", "file:/x"], "lock"), (["wait", "mq:/x"], "sem"), (["post", "shm:/x"], "sem"),
        (["wait", "sem:/x", "--index", "1"], "sysv-sem"), (["wait", "sem:/x", "--by", "2"], "sysv-sem"),
        (["wait", "sem:x"], "/x"), (["wait", "semm:/x"], "sem:/x"), (["read", "mq:/x"], "shm"),
        (["write", "sem:/x", "a"], "shm"), (["create", "sem:/x", "--size", "1"], "shm"),
        (["create", "shm:/x", "--value", "1"], "sem"), (["create", "shm:/x"], "--size"),
        (["create", "sysv-shm:7"], "--size"), (["create", "sysv-sem:7", "--values", "1,b"], "1,0,8"),
        (["create", "sem:/x", "--value", "-1"], "0"), (["create", "sysv-sem:7", "--value", "40000"], "32767"),
        (["create", "memfd:[7]"], "shm:/name"), (["remove", "pid:1"], "signal"), (["chmod", "0600", "pid:1"], "mode"),
        (["send", "shm:/x", "a"], "read and write"),
        (["receive", "topic:a", "--peek"], "--history"), (["create", "topic:a"], "ipc receive topic:a"),
        (["chmod", "0600", "topic:a"], "AccessPolicy"), (["chown", "root", "topic:a"], "AccessPolicy"),
        (["send", "mq:/x", "--wait-for", "1"], "topics"), (["receive", "mq:/x", "--lossy"], "topics"),
        (["relay", "topic:a", "mq:/x", "--capacity", "1K"], "topics"), (["send", "topic:a b", "x"], "camera/front"),
        (["receive", "topic:a", "--history", "few"], "all"), (["send", "topic:a", "--type", "3", "x"], "sysv-msg"),
        (["relay", "topic:a", "topic:b", "--both"], "--both"), (["show", "service:a"], "not built"),
        (["create", "unix:/tmp/x"], "--listen"), (["send", "mq:x", "a"], "/x"),
        (["send", "mq:/x", "--type", "3", "a"], "sysv-msg"), (["send", "sysv-msg:1", "--priority", "3", "a"], "mq"),
        (["send", "mq:/x", "--no-wait", "--timeout", "1s", "a"], "exclude"),
        (["send", "mq:/x", "--timeout", "1x"], "500ms"),
        (["receive", "mq:/x", "--count", "0"], "from 1 up"), (["receive", "unix-datagram:/tmp/x"], "--listen"),
        (["receive", "mq:/x", "--listen"], "sockets"), (["receive", "unix:/x", "--fds"], "COMMAND"),
        (["send", "pipe:[7]", "x"], "looked at"), (["receive", "sysv-msg:private"], "create"),
        (["remove"], "ipc remove"),
        (["chmod", "0999", "mq:/x"], "0600"), (["chown", "no-such-user-here", "mq:/x"], "no user"),
        (["--bogus"], "--bogus"),
        (["relay", "mq:/a", "mq:/a"], "same"), (["relay", "mq:/a", "mq:/b", "--both"], "--both"),
        (["bench", "pipes"], "pipe"), (["bench", "--mode", "buzy"], "busy"), (["bench", "--payload", "0"], "64MiB"),
        (["bench", "--duration", "2m"], "1m"), (["bench", "--workload", "both"], "latency, stream"),
    ])
    func areUsageErrors(_ words: [String], _ mentions: String) throws {
        let outcome = try Peer([Checkout.command.string] + words).finish()
        #expect(outcome.status == .exited(64), "\(words)")
        #expect(outcome.errorText.contains(mentions), "\(outcome.errorText)")
        #expect(outcome.output.isEmpty)
    }

    @Test(arguments: [
        "create", "send", "receive", "relay", "read", "write", "wait", "post", "lock", "show", "list", "remove",
        "chmod", "chown", "tour", "bench", "completions",
    ])
    func everyVerbShowsExamples(_ verb: String) throws {
        let help = try ipc(verb, "--help").text
        #expect(help.contains("Example"))
        #expect(help.contains("ipc \(verb)"))
    }

    @Test func theHelpShowsWhatIsBuiltAndNothingElse() throws {
        let help = try ipc("--help").text
        for verb in ["send", "receive, recv", "list, ls", "remove, rm", "tour", "bench"] {
            #expect(help.contains("  \(verb)"))
        }
        for verb in ["  watch", "  doctor", "tour-peer"] { #expect(!help.contains(verb)) }
    }

    @Test func aReaderThatGoesAwayEndsItQuietly() throws {
        let command = Checkout.command.string
        let outcome = try Peer.shell(
            "yes 0123456789 | head -c 3000000 > /dev/shm/$$; '\(command)' receive file:/dev/shm/$$ | head -c 5; echo; rm /dev/shm/$$"
        ).finish()
        #expect(outcome.text == "01234\n")
        #expect(outcome.errorText == "")
    }

    @Test func completionsAreScripts() throws {
        for shell in ["bash", "zsh", "fish"] { #expect(try ipc("completions", shell).text.contains("ipc")) }
        try ipc("completions", "tcsh", expecting: 64)
    }

    @Test func colourIsForTerminalsUnlessForced() throws {
        let help = { (environment: [String: String]) throws -> String in
            try Peer([Checkout.command.string], environment: environment).finish().text
        }
        #expect(try !help([:]).contains("\u{1b}["))
        #expect(try help(["FORCE_COLOR": "1", "NO_COLOR": ""]).contains("\u{1b}["))
        #expect(try !help(["FORCE_COLOR": "1", "NO_COLOR": "1"]).contains("\u{1b}["))
    }
}
