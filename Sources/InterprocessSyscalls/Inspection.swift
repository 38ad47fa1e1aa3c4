// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

// MARK: Paths as bytes

extension FilePath {
    /// The bytes of the path, which need not be valid UTF-8; without the terminating NUL.
    package var bytes: [UInt8] {
        // SAFETY: the string is NUL-terminated and lives as long as the closure.
        unsafe withPlatformString { start in
            var bytes: [UInt8] = []
            var index = 0
            while unsafe start[index] != 0 {
                unsafe bytes.append(UInt8(bitPattern: start[index]))
                index += 1
            }
            return bytes
        }
    }

    /// A path of these bytes, up to the first NUL.
    package init(bytes: some Sequence<UInt8>) {
        var characters = bytes.prefix { $0 != 0 }.map { CChar(bitPattern: $0) }
        characters.append(0)
        self.init(platformString: characters)
    }
}
