// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessSyscalls
import InterprocessTestKit
import Synchronization
import SystemPackage

/// A host that notes what it is told, and lets everybody in.
final class NotingHost: ChannelHost {
    struct State {
        var hellos: [Hello] = []
        var admitted: [PeerLink] = []
        var joined: [PeerLink] = []
        var left: [PeerLink] = []
        var refusal: Refusal?
    }

    let state = Mutex(State())
    func admit(_ hello: Hello, over link: PeerLink) -> Admission {
        let refusal = state.withLock { state in
            state.hellos.append(hello)
            return state.refusal
        }
        if let refusal { return .refusal(refusal) }
        guard let log = Self.memoryFile("log"), let page = Self.memoryFile("page") else {
            return .refusal(Refusal(.exhausted, "no memory files"))
        }
        state.withLock { $0.admitted.append(link) }
        return .welcome(.forTests, log: log, page: page)
    }

    private static func memoryFile(_ name: String) -> OwnedDescriptor? {
        guard let number = try? sysCreateMemoryFile(name, flags: 0) else { return nil }
        return OwnedDescriptor(adopting: number)
    }

    /// Lets go of all links.
    func forget() { state.withLock { $0 = State(refusal: $0.refusal) } }

    func joined(_ link: PeerLink) { state.withLock { $0.joined.append(link) } }
    func left(_ link: PeerLink) { state.withLock { $0.left.append(link) } }
    func report() -> ChannelReport { .forTests }

    func refuse(_ refusal: Refusal?) { state.withLock { $0.refusal = refusal } }
    var counts: [Int] { state.withLock { [$0.admitted.count, $0.joined.count, $0.left.count] } }
}

/// A guest that notes what it is told.
final class NotingGuest: ChannelGuest {
    struct State {
        var accepted: [PeerLink] = []
        var refused: [(PeerIdentity?, IPCError)] = []
        var left: [PeerLink] = []
        var searched = 0
        var objection: IPCError?
    }

    let state = Mutex(State())
    let hello: Hello

    init(_ payload: PayloadDescription = .bytes) {
        hello = Hello(purpose: .subscribe, payload: payload, isLossless: false, history: .latest(3), needsFences: true)
    }

    func accepted(
        _ welcome: Welcome, log: consuming OwnedDescriptor, page: consuming OwnedDescriptor, over link: PeerLink
    ) throws(IPCError) {
        try state.withLock { (state) throws(IPCError) in
            if let objection = state.objection { throw objection }
            state.accepted.append(link)
        }
    }

    func refused(by publisher: PeerIdentity?, _ error: IPCError) {
        state.withLock { $0.refused.append((publisher, error)) }
    }
    func left(_ link: PeerLink) { state.withLock { $0.left.append(link) } }
    func searched() { state.withLock { $0.searched += 1 } }

    func object(_ error: IPCError) { state.withLock { $0.objection = error } }
    var accepted: [PeerLink] { state.withLock { $0.accepted } }
    var errors: [IPCError] { state.withLock { $0.refused.map(\.1) } }
    var left: Int { state.withLock { $0.left.count } }
    var searchedCount: Int { state.withLock { $0.searched } }
}

extension Welcome {
    static let forTests = Welcome(
        regionBytes: 65536, stagger: 3, position: 128, sequence: 77, publisherIsFenced: false, fields: 5,
        userHeaderBytes: 24)
}

extension ChannelReport {
    static let forTests = ChannelReport(
        payload: .frame, capacityBytes: 65536, fields: 5, userHeaderBytes: 24, sequence: 1 << 40, retainedBytes: 4096,
        readers: [
            .init(
                credentials: PeerCredentials(processID: 42, userID: 1000, groupID: 100), isLossless: true,
                isEvicted: false, isSleeping: true, backlog: 9, missed: 0),
            .init(
                credentials: PeerCredentials(processID: 43, userID: 0, groupID: 0), isLossless: false, isEvicted: true,
                isSleeping: false, backlog: 0, missed: .max),
        ])
}

extension PayloadDescription {
    static let frame = PayloadDescription(
        fixed: FixedPayload(typeName: "Camera.Frame", sizeBytes: 60, strideBytes: 64, alignmentBytes: 8, version: 2))
}

/// Waits until something is so; the test's own bound ends it if it never is.
func eventually(_ limit: Duration = .seconds(20), _ what: () throws -> Bool) async throws -> Bool {
    let deadline = Deadline.after(limit)
    while !deadline.hasPassed {
        if try what() { return true }
        try await Task.sleep(for: .milliseconds(2))
    }
    return try what()
}

/// A rendezvous of the test's own, and a channel in it.
struct Place: Sendable {
    let scratch: ScratchName
    let rendezvous: Rendezvous
    let name: ChannelName

    init(_ name: String = "camera/front") throws {
        scratch = ScratchName()
        rendezvous = try Rendezvous(directory: scratch.directory.appending("r"))
        self.name = try ChannelName(name)
    }

    var directory: FilePath { rendezvous.directory.appending("topics").appending(name.description) }
    var entries: [String] { ((try? TestSyscalls.entries(of: directory)) ?? []).sorted() }
    var exists: Bool { (try? sysStatus(directory)) != nil }

    func door(
        _ host: NotingHost, _ policy: AccessPolicy = AccessPolicy(), _ limits: HandshakeLimits = HandshakeLimits()
    ) throws(IPCError) -> DoorKeeper {
        try DoorKeeper(
            rendezvous: rendezvous, kind: .topic, name: name, policy: policy, host: host, limits: limits)
    }

    func search(
        _ guest: NotingGuest, _ policy: AccessPolicy = AccessPolicy(), _ limits: HandshakeLimits = HandshakeLimits()
    ) throws(IPCError) -> Search {
        try Search(rendezvous: rendezvous, kind: .topic, name: name, policy: policy, guest: guest, limits: limits)
    }

    func makeDirectory() throws {
        var path = rendezvous.directory
        try TestSyscalls.makeDirectory(path)
        for part in ["topics"] + name.segments {
            path = path.appending(part)
            try TestSyscalls.makeDirectory(path)
        }
    }
}

/// The protocol in Python, for peers that do not keep to it.
enum Stranger {
    static let prelude = """
        import array,os,signal,socket,struct,sys,time
        signal.alarm(120)
        def msg(kind, body=b'', magic=0x4d435049, version=1):
            return struct.pack('<IHBBI', magic, version, kind, 0, 12+len(body))+body
        def hello(purpose=1, flags=1, tag=0, count=0, payload=b'\\0'):
            return msg(1, struct.pack('<BBBBQ', purpose, flags, tag, 0, count)+payload)
        def welcome(region=65536):
            return msg(2, struct.pack('<QIIBBHQQ', region, 0, 0, 0, 0, 0, 0, 0))
        def refusal(reason, text):
            return msg(3, struct.pack('<BBBBH', reason, 0, 0, 0, len(text))+text)
        READY = msg(4)
        def connect(path):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.connect(path)
            return s
        def listen(directory, number):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.bind(directory+'/.~%016x' % number)
            s.listen(100)
            os.rename(directory+'/.~%016x' % number, directory+'/~%016x' % number)
            return s
        def send(s, bytes, count):
            files = [os.memfd_create('x') for _ in range(count)]
            s.sendmsg([bytes], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', files))] if count else [])
            for f in files: os.close(f)
        def kind(s):
            m = s.recv(65536)
            return m[6] if len(m) >= 12 else len(m)

        """

    static func python(_ script: String, _ arguments: [String]) throws -> Peer {
        try Peer.python(prelude + script, arguments)
    }
}
