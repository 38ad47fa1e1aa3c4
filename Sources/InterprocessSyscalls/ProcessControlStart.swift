// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// A child that waits to be let into its program.
package struct TracedStart: Sendable {
    package let process: Int32
    /// Writing one byte here lets it execute.
    package let gate: CInt
    /// Readable at the end: four bytes of errno if it could not execute, none if it could.
    package let report: CInt
}

/// What a child under control is to be.
package struct TracedProgram: Sendable {
    package var path: FilePath
    package var arguments: [String]
    package var environment: [String]?
    package var directory: FilePath?
    package var descriptors: [CInt: CInt]
    package var ownGroup: Bool
    package var fixedAddresses: Bool
    /// The system calls at which it shall stop for its tracer; nil for no filter.
    package var filteredCalls: [Int]?

    package init(
        path: FilePath, arguments: [String], environment: [String]?, directory: FilePath?, descriptors: [CInt: CInt],
        ownGroup: Bool, fixedAddresses: Bool, filteredCalls: [Int]?
    ) {
        self.path = path
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.descriptors = descriptors
        self.ownGroup = ownGroup
        self.fixedAddresses = fixedAddresses
        self.filteredCalls = filteredCalls
    }
}

/// clone(2) of a child that waits at a gate before it executes, so that its tracer has it before its first instruction.
///
/// posix_spawn(3) cannot do this: it returns when the program runs.
package func sysStartTraced(_ program: TracedProgram, by guardian: TraceGuardian? = nil) throws(Errno) -> TracedStart {
    let gate = try sysPlainPipe()
    let report: (reading: CInt, writing: CInt)
    do throws(Errno) { report = try sysPlainPipe() } catch {
        try? sysClose(gate.0)
        try? sysClose(gate.1)
        throw error
    }
    let ceiling = max((program.descriptors.keys.max() ?? 2) + 1, 3)
    var lifted: [CInt] = []
    defer { for number in lifted { try? sysClose(number) } }
    do throws(Errno) {
        // dup2 onto a number that is still needed as a source would lose it: lift every source above all targets.
        let own = (try sysDuplicate(gate.0, minimum: ceiling), try sysDuplicate(report.writing, minimum: ceiling))
        lifted += [own.0, own.1]
        var targets: [CInt] = []
        var sources: [CInt] = []
        for (target, source) in program.descriptors.sorted(by: { $0.key < $1.key }) {
            let copy = try sysDuplicate(source, minimum: ceiling)
            lifted.append(copy)
            sources.append(copy)
            targets.append(target)
        }
        let process = try start(
            program, guardian?.process ?? 0, sources, targets, opener: gate.1, gate: own.0, report: own.1)
        try? sysClose(gate.0)
        try? sysClose(report.writing)
        return TracedStart(process: process, gate: gate.1, report: report.reading)
    } catch {
        for number in [gate.0, gate.1, report.reading, report.writing] { try? sysClose(number) }
        throw error
    }
}

private func start(
    _ program: TracedProgram, _ tracer: Int32, _ sources: [CInt], _ targets: [CInt], opener: CInt, gate: CInt,
    report: CInt
) throws(Errno) -> Int32 {
    // SAFETY: a structure of numbers and pointers, which are set below to memory that lives through the call.
    var plan = unsafe cip_traced_start()
    unsafe plan.descriptors = CInt(sources.count)
    unsafe plan.opener = opener
    unsafe plan.gate = gate
    unsafe plan.tracer = tracer
    unsafe plan.report = report
    unsafe plan.own_group = program.ownGroup ? 1 : 0
    unsafe plan.fixed_addresses = program.fixedAddresses ? 1 : 0
    // SAFETY: every string is owned by `words` or `variables` until after the call; both lists end with nil.
    var words: [UnsafeMutablePointer<CChar>?] = unsafe program.arguments.map { unsafe strdup($0) } + [nil]
    // SAFETY: allocated by strdup just above, freed once.
    defer { unsafe words.forEach { unsafe free($0) } }
    // SAFETY: as for the words.
    var variables: [UnsafeMutablePointer<CChar>?] = unsafe (program.environment ?? []).map { unsafe strdup($0) } + [nil]
    // SAFETY: as for the words.
    defer { unsafe variables.forEach { unsafe free($0) } }
    var filter = traceFilter(program.filteredCalls)
    return try invoke("clone") {
        // SAFETY: all that `plan` points to lives to the end of this closure; the child has its own copy.
        unsafe words.withUnsafeMutableBufferPointer { words in
            unsafe variables.withUnsafeMutableBufferPointer { variables in
                unsafe sources.withUnsafeBufferPointer { sources in
                    unsafe targets.withUnsafeBufferPointer { targets in
                        unsafe filter.withUnsafeMutableBufferPointer { filter in
                            unsafe program.path.withPlatformString { path in
                                unsafe plan.path = path
                                unsafe plan.arguments = unsafe UnsafePointer(words.baseAddress)
                                unsafe plan.environment =
                                    unsafe program.environment == nil
                                    ? UnsafePointer(cip_environment()) : UnsafePointer(variables.baseAddress)
                                unsafe plan.sources = sources.baseAddress
                                unsafe plan.targets = targets.baseAddress
                                unsafe plan.filter.len = UInt16(filter.count)
                                unsafe plan.filter.filter = filter.baseAddress
                                guard let directory = program.directory else { return unsafe cip_start_traced(&plan) }
                                return unsafe directory.withPlatformString {
                                    unsafe plan.directory = $0
                                    return unsafe cip_start_traced(&plan)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A program for seccomp(2): the calls of the list stop for the tracer, all others go on at full speed.
private func traceFilter(_ calls: [Int]?) -> [sock_filter] {
    guard let calls, !calls.isEmpty, calls.count < 250 else { return [] }
    let (load, equal, answer): (UInt16, UInt16, UInt16) = (0x20, 0x15, 0x06)
    let (allow, trace): (UInt32, UInt32) = (0x7fff_0000, 0x7ff0_0000)
    var program = [sock_filter(code: load, jt: 0, jf: 0, k: 4)]
    // Calls of another architecture (32 bits) stop all: their numbers mean something else.
    program.append(sock_filter(code: equal, jt: 0, jf: UInt8(calls.count + 2), k: sysAuditArchitecture))
    program.append(sock_filter(code: load, jt: 0, jf: 0, k: 0))
    for (index, call) in calls.enumerated() {
        program.append(
            sock_filter(code: equal, jt: UInt8(calls.count - index), jf: 0, k: UInt32(truncatingIfNeeded: call)))
    }
    program.append(sock_filter(code: answer, jt: 0, jf: 0, k: allow))
    program.append(sock_filter(code: answer, jt: 0, jf: 0, k: trace))
    return program
}

/// AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64: what a system call stop of this very architecture says.
package var sysAuditArchitecture: UInt32 {
    #if arch(x86_64)
        0xc000_003e
    #else
        0xc000_00b7
    #endif
}
