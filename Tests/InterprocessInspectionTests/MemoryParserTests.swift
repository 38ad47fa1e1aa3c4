// SPDX-License-Identifier: Apache-2.0
@testable import InterprocessInspection
import Interprocess
import InterprocessSyscalls
import SystemPackage
import Testing

/// The tables of memory, semaphores, locks and processes, line by line.
@Suite struct MemoryParserTests {
    @Test func mappings() throws {
        let text = """
            55d0c9a00000-55d0c9a01000 r--p 00000000 fe:00 16221075                   /usr/bin/x
            7f680b55d000-7f680b55e000 rw-s 00000000 fe:00 16221075                   /tmp/a file
            7f680b55e000-7f680b55f000 r--s 00001000 00:01 47629                      /memfd:hello (deleted)
            7f680b560000-7f680b570000 rw-s 00000000 00:01 32769                      /SYSV0000002a (deleted)
            7f680c1da000-7f680c1dc000 rw-s 00000000 00:1b 109                        /dev/shm/x (deleted)
            7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
            7f00-7e00 rw-s 0 00:1b 7 /dev/shm/backwards
            """
        let rows = MappingScan.rows(Array(text.utf8))
        #expect(
            rows.map { String(decoding: $0.path, as: UTF8.self) } == [
                "/tmp/a file", "/memfd:hello", "/SYSV0000002a", "/dev/shm/x",
            ])
        #expect(rows.map(\.isLinked) == [true, false, false, false])
        #expect(rows.map(\.isWritable) == [true, false, true, true])
        #expect(rows[0].file == FileKey(device: 0xfe << 20, inode: 16_221_075) && rows[0].range.count == 4096)
        #expect(rows.map { MappingScan.segment($0) } == [nil, nil, 32_769, nil])
    }

    @Test func locks() throws {
        let text = """
            1: OFDLCK ADVISORY  WRITE -1 fe:00:16221075 0 EOF
            1: -> OFDLCK ADVISORY  READ -1 fe:00:16221075 10 19
            2: POSIX  ADVISORY  READ 26188 fe:00:16221074 5 5
            3: FLOCK  ADVISORY  WRITE 26084 00:1b:7 0 EOF
            4: LEASE  ACTIVE    READ  1163 08:01:2 0 EOF
            5: MARTIAN ADVISORY WRITE 1 08:01:2 0 EOF
            """
        let rows = LockRow.rows(Array(text.utf8))
        #expect(rows.map(\.family) == [.openFile, .openFile, .process, .flock, .lease])
        #expect(rows.map(\.isWaiting) == [false, true, false, false, false])
        #expect(rows.map(\.isShared) == [false, true, true, false, true])
        #expect(rows.map(\.process) == [nil, nil, 26188, 26084, 1163])
        #expect(rows[1].start == 10 && rows[1].end == 19 && rows[0].end == nil)
        let info = "pos:\t5\nflags:\t02100001\nlock:\t1: OFDLCK ADVISORY  WRITE -1 fe:00:16221075 0 EOF\n"
        #expect(LockRow.rows(fdinfo: Array(info.utf8)) == [rows[0]])
    }

    @Test func systemVTables() throws {
        let segments = """
                   key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap
                    42          5  1640                  4096   812   813      2  1000   100  1001   101 1700000000          0 1600000000                  8192                     4096
            """
        let row = try #require(SystemVSegments.rows(Array(segments.utf8)).first)
        #expect(row.key == 42 && row.id == 5 && row.permissions == 0o1640 && row.size == 4096 && row.attachments == 2)
        #expect(row.creatorProcess == 812 && row.lastProcess == 813 && row.creator == 1001 && row.resident == 8192)
        let sets = """
                   key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime
                     0      32770   600          3     0     7     0     0          0 1795236463
            """
        let set = try #require(SystemVSemaphores.rows(Array(sets.utf8)).first)
        #expect(set.key == 0 && set.id == 32770 && set.permissions == 0o600 && set.count == 3 && set.group == 7)
        #expect(set.operatedAt == 0 && set.changedAt == 1_795_236_463)
    }

    @Test func names() throws {
        #expect(SharedMemoryObjects.address(of: Array("frames".utf8)) == (try Address("shm:/frames")))
        #expect(SharedMemoryObjects.address(of: Array("sem.gate".utf8)) == (try Address("sem:/gate")))
        #expect(SharedMemoryObjects.address(of: Array("sem.".utf8)) == (try Address("shm:/sem.")))
        #expect(SharedMemoryObjects.address(of: [0xff, 0xfe]) == nil)
        #expect(SharedMemoryObjects.address(held: Array("/dev/shm/a/b".utf8), 1) == nil)
        #expect(SharedMemoryObjects.address(held: Array("/memfd:x".utf8), 1031) == (try Address("memfd:[1031]")))
        #expect(SharedMemoryObjects.path(of: try Address("sem:/gate")) == "/dev/shm/sem.gate")
        #expect(SharedMemoryObjects.names(ofSeals: 0b1_1111) == ["seal", "shrink", "grow", "write", "futureWrite"])
    }

    @Test func threadsAndSignals() throws {
        let futex = ThreadCalls.Call(Array("\(WaitingCall.futex) 0x7f10 0x80 0x2 0x0 0x0 0x0 0x7ffc 0x7fad\n".utf8))
        let mapper = MappingScan.Mapper(process: 1, ranges: [0x7f00..<0x7f20])
        #expect(futex?.waits(in: mapper) == true && futex?.semaphoreSet == nil)
        let set = ThreadCalls.Call(
            Array("\(WaitingCall.timedSemaphoreOperation) 0x8002 0x7ffc 0x1 0x0 0x0 0x0 0x7ffc 0x7fad\n".utf8))
        #expect(set?.semaphoreSet == 32_770 && set?.waits(in: mapper) == false)
        let lock = ThreadCalls.Call(Array("\(WaitingCall.control) 0x3 0x26 0x7ffc 0x0 0x0 0x0 0x7ffc 0x7fad\n".utf8))
        #expect(lock?.lockedDescriptor == 3)
        for text in ["running", "", "-1 0x7ffc 0x7fad", "\(WaitingCall.futex) 1 2"] {
            #expect(ThreadCalls.Call(Array(text.utf8)) == nil)
        }
        let status = Array("Name:\ta b\nState:\tT (stopped)\nSigBlk:\t8000000000000201\n".utf8)
        #expect(ProcessObjects.signals("SigBlk", status) == [1, 10, 64])
        #expect(ProcessObjects.state(status) == "stopped" && ProcessObjects.line("Name", status) == "a b")
    }
}
