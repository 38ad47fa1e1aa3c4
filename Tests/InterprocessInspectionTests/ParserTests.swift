// SPDX-License-Identifier: Apache-2.0
@testable import InterprocessInspection
import Interprocess
import InterprocessSyscalls
import SystemPackage
import Testing

/// What the files of /proc and the answers of the kernel look like, and what becomes of them.
@Suite struct ParserTests {
    @Test func linesOfProcNetUnix() {
        let text = """
            Num       RefCount Protocol Flags    Type St Inode Path
            0000000000000000: 00000002 00000000 00010000 0001 01 20481 /run/my app.sock
            0000000000000000: 00000003 00000000 00000000 0002 01 20482 @log
            0000000000000000: 00000003 00000000 00000000 0005 03 20483
            0000000000000000: 00000003 00000000 00000000 0003 03 20484
            rubbish
            0000000000000000: 00000003 00000000 00000000 0001 03
            """
        let rows = UnixSocketTable.rows(procNetUnix: Array(text.utf8))
        #expect(rows.count == 3)
        #expect(rows.map(\.inode) == [20481, 20482, 20483])
        #expect(rows[0].isListening && rows[0].kind == .unix && rows[0].name == .path(Array("/run/my app.sock".utf8)))
        #expect(rows[1].kind == .unixDatagram && rows[1].name == .abstract(Array("log".utf8)) && rows[1].state == 7)
        #expect(rows[2].kind == .unixSeqpacket && rows[2].name == nil && rows[2].state == 1)
    }

    @Test func linesOfProcNetTCP() {
        let text = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000  1000        0 77 1 0 100 0 0 10 0
               1: 0100007F:1F90 0200007F:C350 01 00000005:00000007 00:00000000 00000000     0        0 78 1 0 20 4 30 10 -1
               2: 0100007F 00000000:0000 0A
            """
        let rows = InternetSocketTable.rows(procNet: Array(text.utf8), .tcp, isV6: false)
        #expect(rows.count == 2)
        #expect(
            rows[0].isListening && rows[0].local == Endpoint(host: "127.0.0.1", port: 8080) && rows[0].receiveQueue == 3
        )
        #expect(rows[0].user == 1000 && rows[0].inode == 77)
        #expect(rows[1].remote == Endpoint(host: "127.0.0.2", port: 50000) && rows[1].sendQueue == 5)
        let six = """
               0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 9
            """
        let row = InternetSocketTable.rows(procNet: Array(six.utf8), .tcp, isV6: true).first
        #expect(row?.local == Endpoint(host: "::1", port: 22))
    }

    /// A message of unix_diag as the kernel lays it out: fixed part, then attributes padded to four bytes.
    @Test func messagesOfTheSocketDiagnosis() throws {
        func attribute(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
            var bytes: [UInt8] = []
            bytes.append(number: UInt16(4 + value.count))
            bytes.append(number: type)
            return bytes + value + [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
        }
        func numbers(_ values: UInt32...) -> [UInt8] {
            var bytes: [UInt8] = []
            for value in values { bytes.append(number: value) }
            return bytes
        }
        var payload: [UInt8] = [1, 1, 10, 0]
        payload += numbers(4711, 0, 0)
        payload += attribute(0, Array("/run/a.sock\0".utf8)) + attribute(1, numbers(99, 0x800001))
        payload += attribute(4, numbers(2, 128)) + attribute(7, numbers(1000))
        let row = try #require(UnixSocketTable.row(payload[...]))
        #expect(row.inode == 4711 && row.isListening && row.name == .path(Array("/run/a.sock".utf8)))
        #expect(row.fileInode == 99 && row.fileDevice == 0x800001 && row.user == 1000)
        #expect(row.receiveQueue == 2 && row.sendQueue == 128 && row.peerInode == nil)

        var datagram = numbers(UInt32(16 + payload.count)) + [20, 0, 2, 0] + numbers(1, 0) + payload
        datagram += numbers(20) + [3, 0, 2, 0] + numbers(1, 0, 0)
        let messages = SocketDiagnosis.messages(in: datagram)
        #expect(messages.map(\.type) == [20, 3])
        #expect(Array(messages[0].payload) == payload)
        // Lengths that lie end the reading instead of reaching beyond it.
        for lie: UInt32 in [0, 15, 0xffff_ffff] {
            let cut = numbers(lie) + datagram.dropFirst(4)
            #expect(SocketDiagnosis.messages(in: cut).isEmpty)
        }
        #expect(UnixSocketTable.row(payload.prefix(12)) == nil)
        #expect(SocketDiagnosis.attributes(in: [255, 255, 0, 0][...]).isEmpty)
    }

    @Test func linesOfSystemVQueues() throws {
        let text = """
                   key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime
                    42          5   640         100          3   812   813  1000   100     0     0 1700000000 1700000001 1600000000
            -559038737      32769   600           0          0     0     0     0     0     0     0          0          0 1600000000
                 short          5
            """
        let rows = SystemVQueues.rows(Array(text.utf8))
        #expect(rows.count == 2)
        let first = try #require(rows.first)
        #expect(
            first.key == 42 && first.id == 5 && first.permissions == 0o640 && first.bytes == 100 && first.messages == 3)
        #expect(
            first.lastSender == 812 && first.lastReceiver == 813 && first.user == 1000 && first.sentAt == 1_700_000_000)
        #expect(UInt32(bitPattern: rows[1].key) == 0xdead_beef && rows[1].id == 32769)
    }

    @Test func whoWaitsInASystemCall() {
        let receive = "\(numberOfMessageReceive) 0x8001 0x7f00 0x10 0x0 0x0 0x0 0x7ffc 0x7fad\n"
        let wait = SystemVQueues.wait(syscall: Array(receive.utf8))
        #expect(wait?.id == 32769 && wait?.relation == .waitsToReceive)
        #expect(SystemVQueues.wait(syscall: Array("\(numberOfMessageSend) 0x0 0x1".utf8))?.relation == .waitsToSend)
        for text in ["running", "", "-1 0x7ffc 0x7fad", "9999 0x1", "\(numberOfMessageReceive) 12"] {
            #expect(SystemVQueues.wait(syscall: Array(text.utf8)) == nil)
        }
    }

    @Test func statusOfAPosixQueue() {
        let text = "QSIZE:129     NOTIFY:0     SIGNO:10    NOTIFY_PID:8260 \n"
        #expect(
            PosixQueues.status(Array(text.utf8))
                == PosixQueues.Status(bytes: 129, notifiedProcess: 8260, notificationSignal: 10))
        let idle = "QSIZE:0          NOTIFY:0     SIGNO:0     NOTIFY_PID:0     \n"
        #expect(PosixQueues.status(Array(idle.utf8)) == PosixQueues.Status(bytes: 0))
        #expect(PosixQueues.status(Array("nothing".utf8)) == nil)
    }

    @Test func mountsOfMqueue() {
        let text = """
            22 1 0:20 / /proc rw - proc proc rw
            36 22 0:31 / /dev/my\\040queues rw,nosuid shared:3 - mqueue mqueue rw
            37 22 0:31 / /x rw - ext4 mqueue rw
            38 22 -
            """
        #expect(PosixQueues.mountPoints(mountInfo: Array(text.utf8)) == ["/dev/my queues"])
    }

    @Test func processesInWords() {
        let stat = "812 (a) b) R) S 1 812 812 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 1 2"
        #expect(ProcessTable.hasDescriptors(stat: Array(stat.utf8)))
        #expect(ProcessTable.startTicks(stat: Array(stat.utf8)) == 12345)
        #expect(!ProcessTable.hasDescriptors(stat: Array("2 (kthreadd) S 0 0 0 0 -1 2129984 0".utf8)))
        #expect(!ProcessTable.hasDescriptors(stat: Array("9 (dead) Z 1 9 9 0 -1 4194560 0".utf8)))
        #expect(ProcessTable.bootTime(stat: Array("cpu 1 2\nbtime 1700000000\n".utf8)) == 1_700_000_000)
        #expect(ProcessTable.effectiveUser(status: Array("Name:\tx\nUid:\t1\t2\t3\t4\n".utf8)) == 2)
        let info = "pos:\t0\nflags:\t04002\neventfd-count:                2a\neventfd-id: 7\neventfd-semaphore: 1\n"
        #expect(EventCounters.id(fdinfo: Array(info.utf8)) == 7)
        #expect(
            EventCounters.details(id: 7, fdinfo: Array(info.utf8))
                == EventCounterDetails(id: 7, count: 42, isSemaphore: true))
    }

    @Test func namesOfUsers() {
        let accounts = Accounts(
            passwd: Array("root:x:0:0::/:/bin/sh\n:x:5\nbroken\nwww:x:33:33:::\nalso:x:33:33:::\n".utf8))
        #expect(accounts.account(0).description == "root")
        #expect(accounts.account(33).name == "www")
        #expect(accounts.account(99).description == "99")
    }

    @Test(arguments: [
        ("::", "::"), ("::1", "::1"), ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("fe80::1", "fe80::1"),
        ("::ffff:1.2.3.4", "::ffff:1.2.3.4"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("0:1::", "0:1::"),
    ])
    func spellingsOfIPv6(written: String, canonical: String) throws {
        let bytes = try #require(InternetHost.bytes(v6: written))
        #expect(InternetHost.text(v6: bytes) == canonical)
    }

    @Test(arguments: [
        "", ":", ":::", "1::2::3", "1:2:3:4:5:6:7:8:9", "12345::", "g::", "::1.2.3", "::1.2.3.256", "1:2",
    ])
    func whatIsNoIPv6(text: String) {
        #expect(InternetHost.bytes(v6: text) == nil)
    }

    @Test func pathsWithTheMarkOfTheDeleted() {
        #expect(DescriptorScan.withoutDeletedMark(Array("/x (deleted)".utf8)).path == Array("/x".utf8))
        #expect(!DescriptorScan.withoutDeletedMark(Array("/x".utf8)).saysDeleted)
    }
}

/// Any bytes into every parser: no trap, no end without end.
@Suite struct RandomBytesTests {
    static let parsers: [(String, @Sendable ([UInt8]) -> Void)] = [
        (
            "netlink",
            { for each in SocketDiagnosis.messages(in: $0) { _ = SocketDiagnosis.attributes(in: each.payload) } }
        ),
        ("attributes", { _ = SocketDiagnosis.attributes(in: $0[...]) }),
        ("unix_diag", { _ = UnixSocketTable.row($0[...]) }),
        ("inet_diag", { _ = InternetSocketTable.row($0[...], .tcp) }),
        ("/proc/net/unix", { _ = UnixSocketTable.rows(procNetUnix: $0) }),
        ("/proc/net/tcp", { _ = InternetSocketTable.rows(procNet: $0, .tcp, isV6: false) }),
        ("/proc/net/tcp6", { _ = InternetSocketTable.rows(procNet: $0, .tcp, isV6: true) }),
        ("/proc/sysvipc/msg", { _ = SystemVQueues.rows($0) }),
        ("/proc/sysvipc/shm", { _ = SystemVSegments.rows($0) }),
        ("/proc/sysvipc/sem", { _ = SystemVSemaphores.rows($0) }),
        ("/proc/locks", { _ = LockRow.rows($0) }),
        ("fdinfo locks", { _ = LockRow.rows(fdinfo: $0) }),
        ("maps", { for row in MappingScan.rows($0) { _ = MappingScan.segment(row) } }),
        ("shm name", { _ = SharedMemoryObjects.address(held: $0, 1) }),
        (
            "process status",
            {
                _ = ProcessObjects.state($0); _ = ProcessObjects.signals("SigBlk", $0)
            }
        ),
        ("call", { _ = ThreadCalls.Call($0)?.semaphoreSet }),
        ("syscall", { _ = SystemVQueues.wait(syscall: $0) }),
        ("mqueue", { _ = PosixQueues.status($0) }),
        ("mountinfo", { _ = PosixQueues.mountPoints(mountInfo: $0) }),
        (
            "stat",
            {
                _ = ProcessTable.startTicks(stat: $0); _ = ProcessTable.hasDescriptors(stat: $0)
            }
        ),
        ("status", { _ = ProcessTable.effectiveUser(status: $0) }),
        ("fdinfo", { _ = EventCounters.details(id: 1, fdinfo: $0) }),
        ("passwd", { _ = Accounts(passwd: $0) }),
        ("directory", { _ = directoryEntries(in: $0) }),
        (
            "link",
            {
                _ = bracketed($0, after: "pipe:"); _ = DescriptorScan.withoutDeletedMark($0)
            }
        ),
        ("limit", { _ = LimitReader.value($0) }),
        ("v6", { _ = InternetHost.bytes(v6: String(decoding: $0, as: UTF8.self)) }),
    ]

    /// Fragments that lead deeper into the parsers than noise does.
    static let seeds: [[UInt8]] = [
        Array("0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:0 0 1000 0 77\n".utf8),
        Array("0: 00000002 00000000 00010000 0001 01 20481 @x\n".utf8),
        Array("42 5 640 100 3 812 813 1000 100 0 0 1 2 3\n".utf8), Array("1 (a) S 1 2 3 4 5 6 7 8 9\n".utf8),
        Array("36 22 0:31 / /dev/q\\040 rw - mqueue mqueue rw\n".utf8),
        Array("QSIZE:129 NOTIFY:0 SIGNO:1 NOTIFY_PID:9".utf8),
        Array("pipe:[12]".utf8), Array("eventfd-id: 7\neventfd-count: ff\nUid:\t1\t2\n".utf8),
        Array("::1:2.3.4.5".utf8), Array("7f00-7f10 rw-s 0 fe:00 99 /SYSV0000002a (deleted)\n".utf8),
        Array("1: -> OFDLCK ADVISORY  WRITE -1 fe:00:99 0 EOF\n".utf8),
        Array("lock: 1: POSIX ADVISORY READ 7 0:1:9 3 8\n".utf8),
        Array("State:\tS (sleeping)\nSigBlk:\t00000000ffffffff\n".utf8),
        Array("202 0x8001 0x7f00 0x10 0x0 0x0 0x0 0x7ffc 0x7fad\n".utf8),
        [
            60, 0, 0, 0, 20, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 10, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 2,
            0, 9, 9, 9, 9,
        ],
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 24, 0, 1, 120, 0, 0, 0, 0],
    ]

    @Test(arguments: parsers.indices)
    func neverTrap(index: Int) {
        let parse = Self.parsers[index].1
        var state = UInt64(index) &* 0x9e37_79b9_7f4a_7c15 | 1
        func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
        for round in 0..<3_000 {
            var bytes = round % 2 == 0 ? [] : Self.seeds[Int(next() % UInt64(Self.seeds.count))]
            if round % 2 == 0 {
                for _ in 0..<(next() % 96) { bytes.append(UInt8(truncatingIfNeeded: next() >> 20)) }
            } else {
                for _ in 0..<(next() % 5) where !bytes.isEmpty {
                    bytes[Int(next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: next() >> 20)
                }
                if next() % 4 == 0 { bytes.removeLast(Int(next() % UInt64(bytes.count))) }
            }
            parse(bytes)
        }
    }
}
