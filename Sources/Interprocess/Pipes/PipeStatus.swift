// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// What the kernel says about a pipe at one moment.
public struct PipeStatus: Sendable, Hashable {
    /// Bytes that can be read at once.
    public var availableBytes: Int
    /// Bytes that fit.
    public var capacityBytes: Int
    /// Whether writes keep their boundaries (O_DIRECT, seen from a writing end).
    public var packets: Bool
    /// Whether the open file description is O_NONBLOCK.
    public var nonBlocking: Bool
    /// The inode: the number in `pipe:[4711]` by which `/proc` shows who holds it open.
    public var inode: UInt64
}

extension PipeEnd {
    func status() throws(IPCError) -> PipeStatus {
        do throws(Errno) {
            let flags = try sysDescriptionFlags(number)
            return PipeStatus(
                availableBytes: try sysBytesAvailable(number), capacityBytes: try sysPipeCapacity(number),
                packets: flags & PipeFlags.packets != 0, nonBlocking: flags & PipeFlags.nonBlocking != 0,
                inode: try sysStatus(number).inode)
        } catch { throw failure(error, "fcntl") }
    }

    func capacity() throws(IPCError) -> Int {
        do throws(Errno) { return try sysPipeCapacity(number) } catch { throw failure(error, "fcntl") }
    }

    func available() throws(IPCError) -> Int {
        do throws(Errno) { return try sysBytesAvailable(number) } catch { throw failure(error, "ioctl") }
    }

    func setCapacity(_ bytes: Int) throws(IPCError) -> Int {
        guard let wanted = CInt(exactly: bytes), wanted > 0 else {
            throw IPCError(
                code: .invalidArgument, call: "fcntl", subject: subject,
                hint: "\(bytes) bytes is no capacity; it is from 1 to 2147483647")
        }
        do throws(Errno) { return try sysSetPipeCapacity(number, wanted) } catch {
            throw failure(error, "fcntl", hint: capacityHint(error, bytes))
        }
    }

    /// The limit by name, with what it is now.
    private func capacityHint(_ error: Errno, _ bytes: Int) -> String {
        let now = (try? sysPipeCapacity(number)).map { "\($0) bytes" } ?? "unknown"
        switch error {
        case .notPermitted:
            let limit = readSystemNumber("/proc/sys/fs/pipe-max-size").map { "\($0)" } ?? "unknown"
            let pages = readSystemNumber("/proc/sys/fs/pipe-user-pages-soft").map { "\($0)" } ?? "unknown"
            return
                "\(bytes) bytes asked for; without CAP_SYS_RESOURCE a pipe has at most fs.pipe-max-size = \(limit) bytes, "
                + "all pipes of a user fs.pipe-user-pages-soft = \(pages) pages; the capacity stays \(now)"
        case .resourceBusy:
            let held = (try? sysBytesAvailable(number)).map { "\($0)" } ?? "some"
            return "\(held) bytes are in it, more than \(bytes) hold; the capacity stays \(now)"
        default: return "the capacity stays \(now)"
        }
    }
}

/// A number that a file under /proc/sys shows.
func readSystemNumber(_ path: FilePath) -> Int? {
    guard let descriptor = try? OwnedDescriptor(adopting: sysOpen(path, flags: 0)) else { return nil }
    let text = try? [UInt8](capacity: 32) { (buffer: inout OutputSpan<UInt8>) throws(Errno) in
        _ = try sysRead(descriptor.rawValue, into: &buffer)
    }
    guard let text else { return nil }
    return Int(String(decoding: text, as: UTF8.self).split(whereSeparator: \.isWhitespace).first ?? "")
}
