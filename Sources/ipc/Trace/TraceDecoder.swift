// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// Makes records of the beginnings and ends of system calls.
struct TraceDecoder {
    private struct Open {
        var record: TraceRecord
        var meaning: TraceCallTable.Meaning
        var arguments: [UInt64]
        var began: UInt64
        /// Whether it is known by now that other processes have to do with it; else its end decides.
        var isCertain: Bool
    }

    private var objects = TraceObjects()
    private var open: [Int32: Open] = [:]

    // MARK: Beginning

    mutating func begin(_ event: TraceEvent, _ call: TracedSystemCall) {
        open[event.thread] = nil
        guard call.isNative, let name = sysInterprocessCalls[call.number],
            let meaning = TraceCallTable.meanings[name]
        else { return }
        let record = TraceRecord(
            process: event.process, thread: event.thread, call: name, waitedNanoseconds: 0,
            began: sysRealtimeNanoseconds())
        var opened = Open(
            record: record, meaning: meaning, arguments: call.arguments, began: 0, isCertain: false)
        guard look(&opened) else { return }
        opened.began = sysMonotonicNanoseconds()
        open[event.thread] = opened
    }

    /// Finds out what it is about; false if it is about nothing that matters here.
    private mutating func look(_ open: inout Open) -> Bool {
        let (process, arguments) = (open.record.process, open.arguments)
        switch open.meaning.subject {
        case .descriptor(let index):
            return lookAtDescriptor(&open, Int32(truncatingIfNeeded: arguments[index]))
        case .newDescriptor, .newPair: return true
        case .path(let index, let opens):
            let path = String(decoding: string(process, arguments[index]), as: UTF8.self)
            if let shared = TraceObjects.sharedFile(path) {
                open.record.object = shared
                open.isCertain = true
                return true
            }
            if open.record.call.hasPrefix("mknod") {
                let mode = arguments[open.record.call == "mknod" ? 1 : 2]
                open.record.object = Address.fifo(FilePath(path)).description
                open.isCertain = mode & 0o170000 == 0o010000
                return open.isCertain
            }
            return opens
        case .queueName(let index):
            open.record.object = "mq:/" + String(decoding: string(process, arguments[index]), as: UTF8.self)
        case .key(let kind):
            let key = Int32(truncatingIfNeeded: arguments[0])
            open.record.object =
                key == 0 ? "sysv-\(kind.rawValue):private" : "sysv-\(kind.rawValue):" + TraceObjects.hexadecimal(key)
        case .id(let kind):
            open.record.object = objects.systemV(kind, id: Int32(truncatingIfNeeded: arguments[0]))
            detailSystemV(&open)
        case .attachment:
            open.record.object = objects.attachment(process, arguments[0])
            if open.record.object == nil { return false }
        case .process(let index): lookAtProcess(&open, Int32(truncatingIfNeeded: arguments[index]))
        case .own: open.record.object = "pid:\(process)"
        case .word: return lookAtWord(&open)
        case .mapping: return lookAtMapping(&open)
        }
        open.isCertain = true
        return true
    }

    private mutating func lookAtDescriptor(_ open: inout Open, _ number: Int32) -> Bool {
        let (process, call) = (open.record.process, open.record.call)
        let isLock = call == "flock" || call == "fcntl"
        if call == "fcntl" {
            guard let name = Self.lockCommands[open.arguments[1]] else { return false }
            open.record.detail = name + Self.lockKind(open, memory(open.record.process, open.arguments[2], 32))
        }
        if call == "flock" { open.record.detail = Self.flockNames(open.arguments[1]) }
        open.record.object = objects.descriptor(number, of: process, files: isLock)
        if open.record.object == nil, call == "splice" || call == "sendfile" {
            let other = call == "splice" ? 2 : 1
            open.record.object = objects.descriptor(Int32(truncatingIfNeeded: open.arguments[other]), of: process)
        }
        guard open.record.object != nil else { return false }
        open.isCertain = true
        switch call {
        case "mq_timedsend": open.record.detail = "priority \(open.arguments[3])"
        case "pidfd_send_signal": open.record.detail = Self.signal(open.arguments[1])
        default: break
        }
        if let place = open.meaning.address, open.arguments[place.pointer] != 0 {
            let length = Int(min(open.arguments[place.length], 128))
            if let name = TraceObjects.socketName(memory(process, open.arguments[place.pointer], length)) {
                open.record.peer = call == "bind" ? nil : name
                open.record.detail = call == "bind" ? name : nil
            }
        }
        return true
    }

    private func lookAtProcess(_ open: inout Open, _ target: Int32) {
        open.record.object =
            target > 0 ? "pid:\(target)" : target == 0 ? "own process group" : "process group \(-target)"
        switch open.record.call {
        case "kill", "tkill", "rt_sigqueueinfo": open.record.detail = Self.signal(open.arguments[1])
        case "tgkill", "rt_tgsigqueueinfo":
            open.record.detail = Self.signal(open.arguments[2]) + " to thread \(open.arguments[1])"
        default: break
        }
    }

    private func lookAtWord(_ open: inout Open) -> Bool {
        let operation = open.arguments[1]
        // A private futex is between threads, and what is in no shared mapping is so as well.
        guard operation & 128 == 0, let place = objects.mapping(open.arguments[0], of: open.record.process) else {
            return false
        }
        open.record.object = place.object
        open.record.detail = Self.futexName(operation) + " at offset \(place.offset)"
        open.isCertain = true
        return true
    }

    private mutating func lookAtMapping(_ open: inout Open) -> Bool {
        let (flags, number) = (open.arguments[3], Int32(truncatingIfNeeded: open.arguments[4]))
        guard flags & 0x3 == 1 || flags & 0x3 == 3 else { return false }
        open.record.object =
            flags & 0x20 != 0
            ? "anonymous shared memory" : objects.descriptor(number, of: open.record.process, files: true)
        // Files that are mapped to be read alone are fonts, caches and locale tables, in `list` as well.
        if open.arguments[2] & 2 == 0, open.record.object?.hasPrefix("file:") == true { return false }
        open.record.detail = "\(open.arguments[1]) bytes"
        open.isCertain = open.record.object != nil
        return open.isCertain
    }

    private func detailSystemV(_ open: inout Open) {
        let arguments = open.arguments
        switch open.record.call {
        case "msgsnd":
            let type = memory(open.record.process, arguments[1], 8).reversed().reduce(UInt64(0)) {
                $0 << 8 | UInt64($1)
            }
            open.record.detail = "type \(Int64(bitPattern: type))"
        case "msgrcv": open.record.detail = "type \(Int64(bitPattern: arguments[3]))"
        case "semop", "semtimedop":
            let raw = memory(open.record.process, arguments[1], Int(min(arguments[2], 8)) * 6)
            open.record.detail = stride(from: 0, to: raw.count - 5, by: 6).map { start in
                let number = UInt16(raw[start]) | UInt16(raw[start + 1]) << 8
                let change = Int16(bitPattern: UInt16(raw[start + 2]) | UInt16(raw[start + 3]) << 8)
                return "\(number): \(change > 0 ? "+" : "")\(change)"
            }.joined(separator: ", ")
        case "msgctl", "shmctl": open.record.detail = Self.control(arguments[1])
        case "semctl": open.record.detail = Self.control(arguments[2])
        default: break
        }
    }

    // MARK: End

    /// The record, if the call had to do with others.
    mutating func end(_ event: TraceEvent, _ result: SystemCallResult) -> TraceRecord? {
        guard var open = open.removeValue(forKey: event.thread) else { return nil }
        open.record.waitedNanoseconds = sysMonotonicNanoseconds() &- open.began
        open.record.result = result
        if let value = result.value {
            guard succeed(&open, value) else { return nil }
        } else if !open.isCertain, case .path = open.meaning.subject {
            return nil
        }
        return open.record
    }

    /// The thread ended in the middle of it.
    mutating func abandon(_ event: TraceEvent) -> TraceRecord? {
        guard var open = open.removeValue(forKey: event.thread), open.isCertain else { return nil }
        open.record.waitedNanoseconds = sysMonotonicNanoseconds() &- open.began
        return open.record
    }

    private mutating func succeed(_ open: inout Open, _ value: Int64) -> Bool {
        let (process, arguments, call) = (open.record.process, open.arguments, open.record.call)
        if open.meaning.bytes == .result { open.record.bytes = value }
        let number = Int32(truncatingIfNeeded: value)
        switch open.meaning.subject {
        case .newDescriptor:
            if call == "socket" { objects.note(number, of: process, domain: arguments[0], type: arguments[1]) }
            open.record.object = objects.descriptor(number, of: process)
            return open.record.object != nil
        case .newPair(let index):
            let pair = memory(process, arguments[index], 8)
            guard pair.count == 8 else { return false }
            let numbers = [0, 4].map { at in pair[at..<(at + 4)].reversed().reduce(Int32(0)) { $0 << 8 | Int32($1) } }
            if call == "socketpair" {
                for each in numbers { objects.note(each, of: process, domain: arguments[0], type: arguments[1]) }
                open.record.peer = objects.descriptor(numbers[1], of: process)
            }
            open.record.object = objects.descriptor(numbers[0], of: process)
            open.record.detail = "\(numbers[0]), \(numbers[1])"
            return open.record.object != nil
        case .path(_, true):
            if !open.isCertain { open.record.object = objects.descriptor(number, of: process) }
            return open.record.object != nil
        case .key: open.record.detail = "id \(value)"
        case .id(let kind):
            if call == "shmat" { objects.attach(process, UInt64(bitPattern: value), open.record.object) }
            if call == "msgsnd" { open.record.bytes = Int64(bitPattern: arguments[2]) }
            if call.hasSuffix("ctl"), open.record.detail == "IPC_RMID" {
                objects.forget(kind, id: Int32(truncatingIfNeeded: arguments[0]))
            }
        case .attachment: objects.attach(process, arguments[0], nil)
        case .descriptor:
            switch call {
            case "mq_timedsend": open.record.bytes = Int64(bitPattern: arguments[2])
            case "bind":
                if let name = open.record.detail {
                    objects.name(Int32(truncatingIfNeeded: arguments[0]), of: process, name)
                    open.record.object = objects.descriptor(Int32(truncatingIfNeeded: arguments[0]), of: process)
                    open.record.detail = nil
                }
            case "accept", "accept4": objects.accept(number, by: open.record.object, of: process)
            default: break
            }
        default: break
        }
        return true
    }

    // MARK: Words

    private func memory(_ process: Int32, _ address: UInt64, _ count: Int) -> [UInt8] {
        (try? ProcessMemory(of: process).read(at: address, count: count)) ?? []
    }

    private func string(_ process: Int32, _ address: UInt64) -> [UInt8] {
        (try? ProcessMemory(of: process).readString(at: address)) ?? []
    }

    private static func signal(_ number: UInt64) -> String {
        number == 0 ? "no signal" : Signal(number: Int32(truncatingIfNeeded: number))?.description ?? "signal \(number)"
    }

    private static let lockCommands: [UInt64: String] = [
        5: "F_GETLK", 6: "F_SETLK", 7: "F_SETLKW", 36: "F_OFD_GETLK", 37: "F_OFD_SETLK", 38: "F_OFD_SETLKW",
        1033: "F_ADD_SEALS",
    ]

    private static func lockKind(_ open: Open, _ raw: [UInt8]) -> String {
        guard open.arguments[1] != 1033, raw.count >= 2 else { return "" }
        return [0: " shared", 1: " exclusive", 2: " unlock"][raw[0]] ?? ""
    }

    private static func flockNames(_ operation: UInt64) -> String {
        let kind = operation & 8 != 0 ? "unlock" : operation & 2 != 0 ? "exclusive" : "shared"
        return kind + (operation & 4 != 0 ? ", no waiting" : "")
    }

    private static func futexName(_ operation: UInt64) -> String {
        let names = [
            "wait", "wake", "fd", "requeue", "compare and requeue", "wake and operate", "lock", "unlock", "try to lock",
            "wait", "wake", "wait and requeue", "compare and requeue", "lock",
        ]
        let number = Int(operation & 0x7f)
        return names.indices.contains(number) ? names[number] : "operation \(number)"
    }

    private static func control(_ command: UInt64) -> String {
        let names: [UInt64: String] = [
            0: "IPC_RMID", 1: "IPC_SET", 2: "IPC_STAT", 3: "IPC_INFO", 11: "GETPID", 12: "GETVAL", 13: "GETALL",
            14: "GETNCNT", 15: "GETZCNT", 16: "SETVAL", 17: "SETALL",
        ]
        return names[command & 0xff] ?? "command \(command)"
    }
}
