// SPDX-License-Identifier: Apache-2.0
package import InterprocessSyscalls
import SystemPackage

/// The structures of `<sys/un.h>` and `<netinet/in.h>`, written and read as bytes: the family is in the order
/// of the host, ports and addresses in that of the network.
extension SocketAddress {
    /// AF_UNIX, AF_INET or AF_INET6.
    var domain: CInt {
        switch self {
        case .path, .abstract, .unnamed: SocketConstant.unix
        case .ipv4: SocketConstant.ipv4
        case .ipv6: SocketConstant.ipv6
        }
    }

    /// What the kernel takes. Paths must be short enough: ``SocketPlace`` sees to the others.
    package var encoded: SocketAddressBytes {
        func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
            (0..<(Number.bitWidth / 8)).reversed().map { UInt8(truncatingIfNeeded: number >> Number($0 * 8)) }
        }
        // The family and the scope, alone, are in the order of the host.
        let family = bytes(UInt16(domain).bigEndian)
        switch self {
        case .path(let path): return SocketAddressBytes(family + path.bytes + [0])
        case .abstract(let name): return SocketAddressBytes(family + [0] + name)
        case .unnamed: return SocketAddressBytes(family)
        case .ipv4(let address, let port):
            return SocketAddressBytes(family + bytes(port) + bytes(address.rawValue) + Array(repeating: 0, count: 8))
        case .ipv6(let address, let port, let scope):
            let flow: [UInt8] = [0, 0, 0, 0]
            return SocketAddressBytes(
                family + bytes(port) + flow + bytes(address.high) + bytes(address.low) + bytes(scope.bigEndian))
        }
    }

    /// What the kernel gave; nil for a family that is not ours, or bytes that are too few.
    init?(_ raw: SocketAddressBytes) {
        let content = raw.content
        func number(_ range: Range<Int>) -> UInt64 { content[range].reduce(0) { $0 << 8 | UInt64($1) } }
        // A unix peer without a name has no address at all.
        guard content.count >= 2 else {
            self = .unnamed
            return
        }
        switch CInt(UInt16(number(0..<2)).bigEndian) {
        case SocketConstant.unix:
            let name = content[2...]
            if name.isEmpty {
                self = .unnamed
            } else if name.first == 0 {
                self = name.count == 1 ? .unnamed : .abstract(Array(name.dropFirst()))
            } else {
                self = .path(FilePath(bytes: Array(name.prefix { $0 != 0 })))
            }
        case SocketConstant.ipv4 where content.count >= 8:
            self = .ipv4(IPv4Address(rawValue: UInt32(number(4..<8))), port: UInt16(number(2..<4)))
        case SocketConstant.ipv6 where content.count >= 28:
            self = .ipv6(
                IPv6Address(high: number(8..<16), low: number(16..<24)), port: UInt16(number(2..<4)),
                scope: UInt32(number(24..<28)).bigEndian)
        default:
            return nil
        }
    }
}
