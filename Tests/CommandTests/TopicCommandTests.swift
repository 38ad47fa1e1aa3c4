// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessTestKit
import SystemPackage
import Testing

/// Topics, sent and received by processes of the command.
@Suite(.bounded(.seconds(120))) struct TopicCommandTests {
    let hall = TopicHall()

    @Test func whatIsSentIsReceivedWithNumberAndSender() throws {
        let receiver = try hall.start("receive", "topic:camera/front", "--json")
        let sender = try hall.start("send", "topic:camera/front", "good morning")
        let (sent, outcome) = (try sender.finish(), try receiver.finish())
        #expect(sent.status == .exited(0), "\(sent.errorText)")
        #expect(outcome.status == .exited(0), "\(outcome.errorText)")
        #expect(
            try parsed(
                outcome.text,
                "(d[0]['schema'], d[0]['size'], d[0]['text'], d[0]['sequence'], d[0]['sender']['pid'], len(d[0]['publisher']))"
            ) == "(1, 12, 'good morning', 0, \(sender.processID), 16)")
        #expect(
            try parsed(outcome.text, "sorted(d[0]['sender']), type(d[0]['time'])")
                == "(['gid', 'pid', 'uid'], <class 'float'>)")
    }

    @Test func aSenderWaitsForSubscribersAndLeavesNothing() throws {
        let sender = try hall.start("send", "topic:late", "--wait-for", "2", "--timeout", "20s", "hello")
        try hall.meet("late", publishers: 1, subscribers: 0)
        let first = try hall.start("receive", "topic:late")
        try hall.meet("late", publishers: 1, subscribers: 1)
        #expect(sender.isRunning)
        let second = try hall.start("receive", "topic:late")
        #expect(try sender.finish().status == .exited(0))
        #expect(try first.finish().text == "hello")
        #expect(try second.finish().text == "hello")
        try hall.ipc("show", "topic:late", expecting: 3)
        #expect(try hall.ipc("list", "topic", "-n").text == "")
    }

    @Test func nobodyIsThere() throws {
        let lonely = try hall.ipc("send", "topic:a", "--no-wait", "x", expecting: 4)
        #expect(lonely.errorText.contains("nobody subscribes"))
        #expect(lonely.errorText.contains("ENXIO"))
        #expect(
            try hall.ipc("send", "topic:a", "--timeout", "30ms", "x", expecting: 4).errorText.contains("ETIMEDOUT"))
        #expect(try hall.ipc("receive", "topic:a", "--no-wait", expecting: 4).errorText.contains("nobody publishes"))
        #expect(
            try hall.ipc("receive", "topic:a", "--timeout", "30ms", expecting: 4).errorText.contains("ETIMEDOUT"))
        try hall.ipc("relay", "topic:a", "topic:b", "--timeout", "30ms", expecting: 4)
        try hall.ipc("show", "topic:a", expecting: 3)
        try hall.ipc("remove", "topic:a", expecting: 3)
        try hall.ipc("send", "topic:a", "--wait-for", "0", "into the void")
    }

    @Test func historyIsWhatAPublisherRetains() throws {
        let publisher = try hall.start("send", "topic:log", "--lines", "--wait-for", "0")
        for line in ["one", "two", "three"] { try publisher.send(line) }
        try eventually("all three are there") {
            try hall.ipc("receive", "topic:log", "--history", "1", "--timeout", "5s").text == "three"
        }
        #expect(
            try hall.ipc("receive", "topic:log", "--history", "2", "--count", "2", "--lines").text == "two\nthree\n")
        #expect(
            try hall.ipc("receive", "topic:log", "--history", "all", "--count", "3", "--lines", "--no-wait").text
                == "one\ntwo\nthree\n")
        try hall.ipc("receive", "topic:log", "--no-wait", expecting: 4)
        #expect(
            try hall.ipc("receive", "topic:log", "--history", "all", "--count", "4", "--timeout", "50ms", expecting: 4)
                .text == "onetwothree")
        publisher.closeInput()
        #expect(try publisher.wait() == .exited(0))
    }

    @Test func publishersComeAndGoAndAreKilled() throws {
        let follower = try hall.start("receive", "topic:news", "--follow", "--json")
        let first = try hall.start("send", "topic:news", "--lines")
        for line in ["a", "b"] { try first.send(line) }
        var got = [try follower.readLine(), try follower.readLine()]
        first.kill()
        try first.wait()
        let second = try hall.start("send", "topic:news", "--lines")
        try second.send("c")
        got.append(try follower.readLine())
        try hall.ipc("send", "topic:news", "d")
        got.append(try follower.readLine())
        #expect(
            try parsed(
                got.compactMap { $0 }.joined(separator: "\n"),
                "[(m['text'], m['sequence']) for m in d], len(set(m['publisher'] for m in d))")
                == "([('a', 0), ('b', 1), ('c', 0), ('d', 0)], 3)")
        #expect(follower.isRunning)
        follower.kill(15)
        #expect(try follower.wait() == .signaled(15))
    }

    @Test func largeMessagesAndMessagesOfNothing() throws {
        let big = String(repeating: "0123456789abcdef", count: 50_000)
        let receiver = try hall.start("receive", "topic:big", "--count", "2", "--json")
        try hall.ipc("send", "topic:big", input: big)
        try hall.ipc("send", "topic:big", "")
        let outcome = try receiver.finish()
        #expect(try parsed(outcome.text, "[m['size'] for m in d]") == "[800000, 0]")
        let full = try hall.start("receive", "topic:small")
        let refused = try hall.ipc("send", "topic:small", "--capacity", "1K", input: big, expecting: 1)
        #expect(refused.errorText.contains("800000 bytes"))
        full.kill()
    }

    /// What a slow subscriber has not read slows the sender down; nobody is put out and nothing is lost.
    @Test func aStoppedSubscriberIsSlowAndMissesNothing() throws {
        let receiver = try hall.start("receive", "topic:flood", "--count", "2000", "--lines")
        let sender = try hall.start("send", "topic:flood", "--lines", "--capacity", "8K")
        try sender.send("line 0")
        #expect(try receiver.readLine() == "line 0")
        receiver.kill(19)
        for number in 1..<2000 { try sender.send("line \(number)") }
        sender.closeInput()
        try eventually("it is slow") {
            try parsed(
                try hall.ipc("show", "topic:flood", "--json").text,
                "[s['slow'] and s['backlog'] > 100 and s['backlogBytes'] > 7000 and s['pid'] == \(receiver.processID) for p in d[0]['publishers'] for s in p['subscribers']]"
            ) == "[True]"
        }
        #expect(try hall.ipc("show", "topic:flood").text.contains("slow"))
        #expect(sender.isRunning)
        receiver.kill(18)
        let outcome = try receiver.finish()
        #expect(outcome.status == .exited(0))
        #expect(outcome.text.split(separator: "\n").last == "line 1999")
        #expect(try sender.wait() == .exited(0))
    }

    @Test func aLossySubscriberHoldsNobodyUpAndIsToldWhatItMissed() throws {
        let receiver = try hall.start("receive", "topic:flood", "--follow", "--json", "--lossy")
        let sender = try hall.start("send", "topic:flood", "--lines", "--capacity", "8K")
        try sender.send("first")
        _ = try receiver.readLine()
        receiver.kill(19)
        for number in 1...2000 { try sender.send("line \(number)") }
        sender.closeInput()
        #expect(try sender.wait() == .exited(0))
        receiver.kill(18)
        var last = ""
        var count = 1
        while !last.contains("line 2000") {
            last = try #require(try receiver.readLine())
            count += 1
        }
        #expect(last.contains("\"sequence\":2000"))
        try eventually("it tells what it missed") { receiver.errorText.contains("missed") }
        let words = receiver.errorText.split(separator: " ")
        let missed = words.indices.filter { words[$0].hasPrefix("message") }.compactMap { Int(words[$0 - 1]) }.reduce(
            0, +)
        #expect(missed + count == 2001, "\(receiver.errorText)")
        receiver.kill()
    }
}
