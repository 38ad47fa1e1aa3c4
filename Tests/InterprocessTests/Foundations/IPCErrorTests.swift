// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import SystemPackage
import Testing

@Suite struct IPCErrorTests {
    @Test func saysWhatWhereWhyAndWhatToDo() {
        let error = IPCError(
            code: .wouldBlock, call: "mq_send", errno: .resourceTemporarilyUnavailable, subject: "mq:/orders",
            hint: "the queue is full; wait with a deadline")
        #expect("\(error)" == "mq:/orders: would block (EAGAIN) in mq_send: the queue is full; wait with a deadline")
    }

    @Test func leavesOutWhatItDoesNotHave() {
        #expect("\(IPCError(code: .malformed, subject: "fifo:/x"))" == "fifo:/x: malformed data from the other side")
    }

    /// Errno → code, for what the table of conditions names.
    @Test(
        arguments: [
            (Errno.permissionDenied, IPCError.Code.permissionDenied), (.notPermitted, .permissionDenied),
            (.noSuchFileOrDirectory, .notFound), (.noSuchProcess, .notFound), (.fileExists, .alreadyExists),
            (.resourceTemporarilyUnavailable, .wouldBlock), (.noMessage, .wouldBlock), (.timedOut, .timedOut),
            (.identifierRemoved, .removed), (.brokenPipe, .disconnected), (.connectionReset, .disconnected),
            (.connectionRefused, .noPeer), (.messageTooLong, .messageTooLarge), (.tooManyOpenFiles, .limitReached),
            (.noSpace, .limitReached), (.fileNameTooLong, .invalidName), (.tooManySymbolicLinkLevels, .invalidName),
            (.invalidArgument, .invalidArgument), (.badFileDescriptor, .badDescriptor), (.resourceBusy, .busy),
            (.noFunction, .unsupported), (.interrupted, .interrupted), (.canceled, .cancelled), (.ioError, .system),
            (Errno(rawValue: 9999), .system),
        ] as [(Errno, IPCError.Code)])
    func everyErrnoHasItsCode(errno: Errno, code: IPCError.Code) {
        #expect(IPCError.Code(errno) == code)
    }

    /// The names are those of the C library: Perl's `Errno` knows them all.
    @Test(.requires("perl")) func numbersBearTheNamesOfTheCLibrary() throws {
        let script = "use Errno; foreach (keys %!) { printf(\"%s %d\\n\", $_, eval(\"Errno::$_()\")); }"
        var known: [Int32: Set<String>] = [:]
        for line in try Peer.perl(script).finish().text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, let number = Int32(words[1]) { known[number, default: []].insert(String(words[0])) }
        }
        #expect(known.count > 100)
        for number in Int32(1)...133 {
            let text = "\(IPCError(code: .system, errno: Errno(rawValue: number), subject: "x"))"
            let name = text.split { "()".contains($0) }.last.map(String.init) ?? ""
            if name == "errno \(number)" { continue }
            #expect(known[number]?.contains(name) == true, "\(number) is not \(name) but \(known[number] ?? [])")
        }
    }

    @Test func codesAreDistinct() {
        let codes: [IPCError.Code] = [
            .notFound, .alreadyExists, .permissionDenied, .wouldBlock, .timedOut, .cancelled, .interrupted, .removed,
            .disconnected,
            .noPeer, .messageTooLarge, .limitReached, .outOfMemory, .invalidName, .invalidArgument, .badDescriptor,
            .wrongKind,
            .busy, .unsupported, .malformed, .tooManyWaiters, .system,
        ]
        #expect(Set(codes).count == codes.count)
    }
}
