// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// The children that this library has made and nobody has waited for yet.
///
/// Those whose handles are gone are reaped here when they end. The subreaper knows by the same list who is no orphan.
final class ProcessRegistry: Sendable {
    static let shared = ProcessRegistry()

    private let children = Mutex<Set<Int32>>([])

    func add(_ processID: Int32) { children.withLock { _ = $0.insert(processID) } }
    func remove(_ processID: Int32) { children.withLock { _ = $0.remove(processID) } }
    func contains(_ processID: Int32) -> Bool { children.withLock { $0.contains(processID) } }

    /// A handle is gone and its process runs on: it is reaped when it ends.
    func reapLater(_ processID: Int32, _ descriptor: CInt) {
        // A descriptor of our own: the handle's is closed in a moment. Where none can be had, the zombie stays until this process
        // ends, as it would without this.
        guard let number = try? sysDuplicate(descriptor) else { return }
        let core = Orphaned(AwaitableDescriptor(OwnedDescriptor(adopting: number)))
        Task.detached {
            while true {
                _ = try? await core.descriptor.wait(for: .readable)
                do throws(Errno) {
                    if try sysWaitForEnd(.descriptor(core.descriptor.rawValue)) == nil { continue }
                } catch {}
                self.remove(processID)
                return
            }
        }
    }

    private final class Orphaned: Sendable {
        let descriptor: AwaitableDescriptor
        init(_ descriptor: consuming AwaitableDescriptor) { self.descriptor = descriptor }
    }
}
