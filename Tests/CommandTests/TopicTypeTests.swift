// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessTestKit
import SystemPackage
import Testing

/// The command and programs whose types it does not have; and topics beside everything else.
@Suite(.bounded(.seconds(120))) struct TopicTypeTests {
    let hall = TopicHall()

    @Test func payloadsOfATypeComeAsTheirBytes() throws {
        let topic = try Topic("count", of: UInt64.self, in: hall.rendezvous())
        let publisher = try topic.publisher()
        try publisher.send(copying: 0x0102_0304_0506_0700)
        let output = try hall.ipc("receive", "topic:count", "--history", "1", "--json").text
        #expect(
            try parsed(output, "(d[0]['size'], base64.b64decode(d[0]['base64']).hex())") == "(8, '0007060504030201')")
        let shown = try hall.ipc("show", "topic:count", "--json").text
        #expect(
            try parsed(
                shown,
                "(d[0]['types'], d[0]['publishers'][0]['payload']['sizeBytes'], d[0]['publishers'][0]['messages'], d[0]['publisherCount'])"
            ) == "(['UInt64'], 8, 1, 1)")
        #expect(try hall.ipc("list", "topic", "-n", "-o", "address,type").text == "topic:count  UInt64\n")
        publisher.close()
    }

    @Test func whatIsSentToATypedTopicHasItsSize() throws {
        let topic = try Topic("count", of: UInt64.self, in: hall.rendezvous())
        let publisher = try topic.publisher()
        let subscriber = try topic.subscriber()
        let refused = try hall.ipc("send", "topic:count", "hello", expecting: 1)
        #expect(refused.errorText.contains("UInt64 (8 bytes"))
        #expect(refused.errorText.contains("this message has 5 bytes"))
        try hall.ipc("send", "topic:count", "--frame", "8", input: "AAAAAAAABAAAAAAA")
        var got: [UInt64] = []
        while got.count < 2, let sample = try subscriber.receive(until: .after(.seconds(20))) {
            got.append(sample.payload)
        }
        #expect(got == [0x4141_4141_4141_4141, 0x4141_4141_4141_4142])
        subscriber.close()
        publisher.close()
    }

    /// The receiver is there first and cannot know what will come.
    @Test func aReceiverLearnsTheTypeOfWhoComesLater() throws {
        let receiver = try hall.start("receive", "topic:later", "--json", "--timeout", "30s")
        try hall.waits(at: "later")
        let publisher = try Topic("later", of: UInt32.self, in: hall.rendezvous()).publisher()
        try publisher.send(copying: 7)
        let outcome = try receiver.finish()
        #expect(outcome.status == .exited(0), "\(outcome.errorText)")
        #expect(try parsed(outcome.text, "(d[0]['size'], d[0]['sequence'])") == "(4, 0)")
        publisher.close()
    }

    @Test func typesThatDifferAreNamed() throws {
        let rendezvous = try hall.rendezvous()
        let one = try Topic("mixed", of: UInt32.self, in: rendezvous).publisher()
        let other = try ByteTopic("mixed", in: rendezvous).publisher()
        let outcome = try hall.ipc("receive", "topic:mixed", expecting: 1)
        #expect(outcome.errorText.contains("UInt32"))
        #expect(outcome.errorText.contains("bytes"))
        one.close()
        other.close()
    }

    // MARK: Relay

    @Test func aChainThroughQueueTopicsAndFIFOKeepsBorders() throws {
        let (queue, fifo) = ("mq:\(hall.scratch.queueName())", hall.scratch.path())
        try hall.ipc("create", queue)
        try hall.ipc("create", "fifo:\(fifo)")
        // Nothing is taken from the queue before somebody subscribes.
        try hall.ipc("send", queue, "--lines", input: "one\n\nthree")
        let first = try hall.start("relay", queue, "topic:middle")
        try hall.meet("middle", publishers: 1, subscribers: 0)
        #expect(try parsed(try hall.ipc("show", queue, "--json").text, "d[0]['messages']") == "3")
        let second = try hall.start("relay", "topic:middle", "topic:end")
        try hall.meet("end", publishers: 1, subscribers: 0)
        let last = try hall.start("relay", "topic:end", "fifo:\(fifo)", "--lines", "--count", "3")
        #expect(try hall.ipc("receive", "fifo:\(fifo)").text == "one\n\nthree\n")
        #expect(try last.finish().status == .exited(0))
        for relay in [first, second] {
            relay.kill(15)
            try relay.wait()
        }
    }

    @Test func aStreamIsCutForATopic() throws {
        let fifo = hall.scratch.path()
        try hall.ipc("create", "fifo:\(fifo)")
        let receiver = try hall.start("receive", "topic:lines", "--count", "2", "--json")
        let relay = try hall.start("relay", "fifo:\(fifo)", "topic:lines", "--lines")
        try hall.ipc("send", "fifo:\(fifo)", input: "first line\nsecond\n")
        #expect(try parsed(try receiver.finish().text, "[m['text'] for m in d]") == "['first line', 'second']")
        #expect(try relay.finish().status == .exited(0))
    }

    // MARK: As objects

    @Test func publishersAndSubscribersAreCountedAndTold() throws {
        let publisher = try hall.start("send", "topic:a/b", "--lines", "--wait-for", "0")
        let readers = [
            try hall.start("receive", "topic:a/b", "--follow"),
            try hall.start("receive", "topic:a/b", "--follow", "--lossy"),
        ]
        try hall.meet("a/b", publishers: 1, subscribers: 2)
        try publisher.send("x")
        let shown = try hall.ipc("show", "topic:a/b", "--json").text
        #expect(shown.filter { $0 == "\n" }.count == 1)
        let keys = """
            all(key in d[0] for key in ['schema', 'kind', 'address', 'directory', 'owner', 'ownerID', 'group', 'groupID', 'mode', 'types', \
            'usedBytes', 'limitBytes', 'retainedBytes', 'used', 'rate', 'publisherCount', 'subscriberCount', 'missed', 'memoryBytes', 'descriptors', \
            'publishers', 'silent', 'holders', 'holdersComplete'])
            """
        #expect(try parsed(shown, keys) == "True")
        #expect(
            try parsed(shown, "sorted((h['relation'], h['pid']) for h in d[0]['holders'])")
                == "[('publishes', \(publisher.processID)), \(readers.map(\.processID).sorted().map { "('subscribes', \($0))" }.joined(separator: ", "))]"
        )
        #expect(
            try parsed(shown, "sorted(s['lossless'] for s in d[0]['publishers'][0]['subscribers'])") == "[False, True]")
        // A log of a mebibyte and its header, a page for each subscriber.
        #expect(
            try parsed(shown, "d[0]['memoryBytes'] == (1 << 20) + 4096 + 2 * 4096, d[0]['descriptors']") == "(True, 6)")
        let text = try hall.ipc("show", "topic:a/b").text
        #expect(text.contains("publishes"))
        #expect(text.contains("lossy"))
        #expect(try hall.ipc("list", "topic", "--filter", "subscribers > 2", "-n").text == "")
        #expect(try hall.ipc().text.contains("1 topic"))
        #expect(text.contains("6 descriptors"))
        for reader in readers { reader.kill() }
    }

    /// What `show` says that a topic costs, counted from outside.
    @Test(.requires("python3")) func aTopicCostsWhatIsSaid() throws {
        let script = """
            import os, sys
            fds = [f'/proc/{sys.argv[1]}/fd/{n}' for n in os.listdir(f'/proc/{sys.argv[1]}/fd')]
            logs = [f for f in fds if 'memfd:interprocess-topic' in os.readlink(f)]
            print(len(fds), [os.stat(f).st_blocks * 512 for f in logs])
            """
        let publisher = try hall.start("send", "topic:cost", "--lines", "--wait-for", "0", "--capacity", "64K")
        try hall.meet("cost", publishers: 1, subscribers: 0)
        let alone = try Peer.python(script, ["\(publisher.processID)"]).finish().text.trimmed
        let readers = [try hall.start("receive", "topic:cost"), try hall.start("receive", "topic:cost")]
        try hall.meet("cost", publishers: 1, subscribers: 2)
        let watched = try Peer.python(script, ["\(publisher.processID)"]).finish().text.trimmed
        #expect(alone.hasSuffix(" [69632]"), "\(alone)")
        #expect(watched.hasSuffix(" [69632]"), "\(watched)")
        let count = { (text: String) in Int(text.prefix { $0.isNumber }) ?? 0 }
        #expect(count(watched) == count(alone) + 4, "\(alone) \(watched)")
        let shown = try hall.ipc("show", "topic:cost", "--json").text
        #expect(try parsed(shown, "(d[0]['memoryBytes'], d[0]['descriptors'])") == "(\(69632 + 2 * 4096), 6)")
        for peer in readers + [publisher] { peer.kill() }
    }

    @Test func whoDoesNotAnswerIsToldAndTheViewIsPartial() throws {
        let publisher = try hall.start("send", "topic:still", "--lines", "--wait-for", "0")
        try hall.meet("still", publishers: 1, subscribers: 0)
        publisher.kill(19)
        let outcome = try hall.ipc("show", "topic:still", "--json", expecting: 2)
        #expect(outcome.errorText.contains("did not answer"))
        #expect(
            try parsed(outcome.text, "(d[0]['publisherCount'], d[0]['publishers'], d[0]['silent'][0]['pid'])")
                == "(1, [], \(publisher.processID))")
        #expect(try hall.ipc("remove", "topic:still", expecting: 1).errorText.contains("publishes it"))
        publisher.kill()
        try publisher.wait()
        try hall.ipc("remove", "topic:still")
        try hall.ipc("show", "topic:still", expecting: 3)
        #expect(try Peer(["find", "\(hall.scratch.directory)", "-type", "s"]).finish().text == "")
    }

    @Test func completionKnowsTopics() throws {
        let publisher = try hall.start("send", "topic:for/completion", "--lines", "--wait-for", "0")
        try hall.meet("for/completion", publishers: 1, subscribers: 0)
        let outcome = try hall.ipc("---completion", "show", "--", "positional@0", "2", "8", "ipc", "show", "topic:fo")
        #expect(outcome.text.contains("topic:for/completion"), "\(outcome.text)")
        publisher.kill()
    }
}
