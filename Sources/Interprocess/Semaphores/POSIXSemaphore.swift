// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// A POSIX semaphore: a number that is never negative. To wait takes one from it, and waits while it is 0; to post adds one
/// and wakes one who waits.
///
/// What Dijkstra called P and V. The number is how many *permits* are left: of free places, of finished pieces, of
/// connections. One that begins at 1 lets one in at a time.
///
/// There are three, which differ in where they lie and have the same verbs: ``NamedSemaphore`` is found by a name,
/// ``SharedSemaphore`` lies in memory that processes share, ``PrivateSemaphore`` is for the threads and tasks of one process.
/// All are the C library's `sem_t`, so programs in other languages use the same ones.
///
/// ```swift
/// let places = try NamedSemaphore(ObjectName("/places"), mode: .openOrCreate, initialValue: 4)
/// try places.withPermit { serveOne() }
/// ```
///
/// Only types of this package conform.
///
/// Concurrency: any number of threads, tasks and processes may use one semaphore at once. Who of several that wait is served
/// first is not said; one that just comes may be quicker than one that was woken.
///
/// If a process dies: nobody owns a permit, so a permit that a killed process had is lost for good. Where that must not
/// be, take ``SystemVSemaphoreSet`` with undo, or a lock that tells of its owner's death.
///
/// The manual page is `sem_overview(7)`.
public protocol POSIXSemaphore: ~Copyable, Sendable {
    /// What the verbs work on.
    var core: SemaphoreCore { get }
}

/// What the verbs of a ``POSIXSemaphore`` work on; only its type is public.
@frozen
public struct SemaphoreCore: Sendable {
    @usableFromInline let word: SemaphoreWord
    @usableFromInline let waiting: SemaphoreWaiting

    init(_ place: SemaphorePlace, _ word: SemaphoreWord, subject: String) {
        self.word = word
        waiting = SemaphoreWaiting(place, subject: subject)
    }
}

extension POSIXSemaphore where Self: ~Copyable {
    /// How many permits are there at this moment; 0 if somebody waits.
    ///
    /// By the time it is read it may be another.
    ///
    /// The corresponding C function is `sem_getvalue(3)`.
    public var value: Int { sysSemaphoreValue(core.waiting.place) }

    /// How many threads wait at this moment, as the C library counts them; nil where it does not show that.
    ///
    /// A task that waits counts while it is the first of its handle. A thread that was killed with its process while it waited
    /// stays in the number.
    public var waitingCount: Int? { core.word.waitingCount }

    /// The largest value: 2 147 483 647.
    ///
    /// The corresponding C constant is `SEM_VALUE_MAX`.
    public static var maximumValue: Int { SemaphorePlace.maximumValue }
}
