// SPDX-License-Identifier: Apache-2.0
package import CInterprocess
package import SystemPackage

/// Everything that a new process is given.
package struct SpawnPlan: Sendable {
    package struct Limit: Sendable {
        package var resource: CInt
        package var soft: UInt64
        package var hard: UInt64
        package init(resource: CInt, soft: UInt64, hard: UInt64) {
            self.resource = resource
            self.soft = soft
            self.hard = hard
        }
    }

    package var path: FilePath
    /// With the program's own name first.
    package var arguments: [String]
    /// `NAME=value` each; nil hands on the environment of this process.
    package var environment: [String]?
    /// The child's number → the number here. It gets no other.
    package var descriptors: [CInt: CInt]
    package var directory: FilePath?
    package var newSession = false
    /// 0 is one of its own; nil is the parent's.
    package var group: pid_t?
    /// The child's number of a terminal that becomes the controlling one.
    package var terminal: CInt?
    package var foreground = false
    package var niceness: Int32?
    package var fileModeMask: UInt32?
    package var deathSignal: CInt?
    package var limits: [Limit] = []
    package var blocked: UInt64 = 0
    package var ignored: UInt64 = 0

    package init(_ path: FilePath, arguments: [String], environment: [String]? = nil, descriptors: [CInt: CInt]) {
        self.path = path
        self.arguments = arguments
        self.environment = environment
        self.descriptors = descriptors
    }
}

package struct SpawnedProcess: Sendable {
    package var process: pid_t
    /// Its pidfd, from birth: no reuse of the number can come between.
    package var descriptor: CInt
}

/// Which call of the child or the parent failed.
package struct SpawnFailure: Error {
    package var error: Errno
    package var call: String
    package init(error: Errno, call: String) {
        self.error = error
        self.call = call
    }
}

/// Starts a program. Whatever the child could not do, `execve` included, is thrown here and leaves no process.
///
/// The calling thread alone waits until the child has become the program. If `deathSignal` is set, it
/// must be a thread that lives as long as the process: to the kernel the parent is the thread.
package func sysSpawn(_ plan: SpawnPlan) throws(SpawnFailure) -> SpawnedProcess {
    // dup2 onto a number that is still needed as a source would lose it: lift every source above all targets.
    let targets = plan.descriptors.keys.sorted()
    var sources: [CInt] = []
    defer { for number in sources { try? sysClose(number) } }
    for target in targets {
        do throws(Errno) {
            sources.append(try sysDuplicate(plan.descriptors[target] ?? -1, minimum: (targets.last ?? 2) + 1))
        } catch {
            throw SpawnFailure(error: error, call: "fcntl")
        }
    }
    // SAFETY: every string is owned by these arrays until after the call; both lists end with nil.
    let arguments: [UnsafeMutablePointer<CChar>?] = unsafe plan.arguments.map { unsafe strdup($0) } + [nil]
    // SAFETY: allocated by strdup just above, freed once.
    defer { unsafe arguments.forEach { unsafe free($0) } }
    // SAFETY: as for the arguments.
    let variables: [UnsafeMutablePointer<CChar>?] = unsafe (plan.environment ?? []).map { unsafe strdup($0) } + [nil]
    // SAFETY: as for the arguments.
    defer { unsafe variables.forEach { unsafe free($0) } }
    // SAFETY: as for the arguments.
    let path = unsafe strdup(plan.path.string)
    let directory = unsafe plan.directory.flatMap { unsafe strdup($0.string) }
    defer {
        unsafe free(path)
        unsafe free(directory)
    }
    let limits = plan.limits.map {
        cip_spawn_limit(resource: $0.resource, soft: rlim_t($0.soft), hard: rlim_t($0.hard))
    }

    // SAFETY: all that the structure points to outlives the call; the child only reads it, but for the last two numbers.
    var raw = unsafe cip_spawn_plan()
    unsafe raw.path = unsafe UnsafePointer(path)
    unsafe raw.directory = unsafe UnsafePointer(directory)
    unsafe raw.descriptor_count = CInt(targets.count)
    unsafe raw.new_session = plan.newSession ? 1 : 0
    unsafe raw.group = plan.group ?? -1
    unsafe raw.terminal = plan.terminal ?? -1
    unsafe raw.foreground = plan.foreground ? 1 : 0
    unsafe raw.has_niceness = plan.niceness == nil ? 0 : 1
    unsafe raw.niceness = plan.niceness ?? 0
    unsafe raw.umask = plan.fileModeMask.map { CInt($0) } ?? -1
    unsafe raw.death_signal = plan.deathSignal ?? 0
    unsafe raw.parent = getpid()
    unsafe raw.limit_count = CInt(limits.count)
    unsafe raw.blocked = plan.blocked
    unsafe raw.ignored = plan.ignored
    return try unsafe start(&raw, arguments, plan.environment == nil ? nil : variables, sources, targets, limits)
}

private func start(
    _ raw: inout cip_spawn_plan, _ arguments: [UnsafeMutablePointer<CChar>?],
    _ variables: [UnsafeMutablePointer<CChar>?]?, _ sources: [CInt], _ targets: [CInt], _ limits: [cip_spawn_limit]
) throws(SpawnFailure) -> SpawnedProcess {
    var descriptor: CInt = -1
    let process: pid_t
    do throws(Errno) {
        process = try invoke("clone") {
            // SAFETY: the buffers live through the call; the environment of this process is only read.
            unsafe arguments.withUnsafeBufferPointer { words in
                unsafe (variables ?? []).withUnsafeBufferPointer { own in
                    unsafe sources.withUnsafeBufferPointer { from in
                        unsafe targets.withUnsafeBufferPointer { to in
                            unsafe limits.withUnsafeBufferPointer { limits in
                                unsafe raw.arguments = words.baseAddress
                                unsafe raw.environment =
                                    variables == nil ? unsafe UnsafePointer(cip_environment()) : own.baseAddress
                                unsafe raw.sources = from.baseAddress
                                unsafe raw.targets = to.baseAddress
                                unsafe raw.limits = limits.baseAddress
                                return unsafe cip_spawn(&raw, &descriptor)
                            }
                        }
                    }
                }
            }
        }
    } catch {
        throw SpawnFailure(error: error, call: "clone")
    }
    // SAFETY: plain numbers.
    let (step, error) = unsafe (raw.step, raw.error)
    guard step != 0 else { return SpawnedProcess(process: process, descriptor: descriptor) }
    // It has ended already. Nobody is to find it; where SIGCHLD is ignored, the kernel was quicker.
    // SAFETY: a local.
    var ended = unsafe siginfo_t()
    _ = unsafe cip_waitid(CIP_P_PIDFD, descriptor, &ended, CInt(WEXITED), nil)
    try? sysClose(descriptor)
    throw SpawnFailure(error: Errno(rawValue: error), call: name(ofStep: step))
}

private func name(ofStep step: CInt) -> String {
    switch Int(step) {
    case CIP_STEP_SETSID: "setsid"
    case CIP_STEP_SETPGID: "setpgid"
    case CIP_STEP_DUP2: "dup2"
    case CIP_STEP_CLOSE_RANGE: "close_range"
    case CIP_STEP_TERMINAL: "ioctl"
    case CIP_STEP_NICE: "setpriority"
    case CIP_STEP_LIMIT: "setrlimit"
    case CIP_STEP_CHDIR: "chdir"
    case CIP_STEP_DEATH_SIGNAL: "prctl"
    default: "execve"
    }
}

/// A child with exactly the descriptors of `descriptors`, default signal dispositions and no blocked signal.
package func sysSpawn(
    _ path: FilePath, arguments: [String], environment: [String]? = nil, descriptors: [CInt: CInt]
) throws(Errno) -> pid_t {
    do throws(SpawnFailure) {
        let child = try sysSpawn(
            SpawnPlan(path, arguments: arguments, environment: environment, descriptors: descriptors))
        try? sysClose(child.descriptor)
        return child.process
    } catch {
        throw error.error
    }
}
