// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// The general registers of a stopped thread: on x86-64 `rax` to `gs`, on arm64 `x0` to `x30`, `sp`, `pc`, `pstate`.
///
/// A value: change it, then give it back with ``ProcessControl/setRegisters(_:of:)``.
///
/// The corresponding C structures are `user_regs_struct` and `user_pt_regs`.
public struct Registers: Sendable {
    var words: RegisterWords

    #if arch(x86_64)
        /// The names in the order of the kernel.
        public static let names = [
            "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
            "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
        ]
        private static let (pointer, stack, frame, call, result) = (16, 19, 4, 15, 10)
        private static let argumentPlaces = [14, 13, 12, 7, 9, 8]
        private static let functionPlaces = [14, 13, 12, 11, 9, 8]
    #elseif arch(arm64)
        /// The names in the order of the kernel.
        public static let names = (0...30).map { "x\($0)" } + ["sp", "pc", "pstate"]
        private static let (pointer, stack, frame, call, result) = (32, 31, 29, 8, 0)
        private static let argumentPlaces = [0, 1, 2, 3, 4, 5]
        private static let functionPlaces = argumentPlaces
    #endif

    /// The register of that name; nil if there is none. Setting one that is none is misuse.
    public subscript(name: String) -> UInt64? {
        get { Self.names.firstIndex(of: name).map { words[$0] } }
        set {
            guard let place = Self.names.firstIndex(of: name), let newValue else {
                preconditionFailure("no register \(name) on this machine, or no value for it")
            }
            words[place] = newValue
        }
    }

    /// Where the thread goes on.
    public var instructionPointer: UInt64 {
        get { words[Self.pointer] }
        set { words[Self.pointer] = newValue }
    }

    /// The top of the stack.
    public var stackPointer: UInt64 {
        get { words[Self.stack] }
        set { words[Self.stack] = newValue }
    }

    /// The frame, in code that keeps one.
    public var framePointer: UInt64 {
        get { words[Self.frame] }
        set { words[Self.frame] = newValue }
    }

    /// What a function returns, or has returned.
    public var returnValue: UInt64 {
        get { words[Self.result] }
        set { words[Self.result] = newValue }
    }

    /// The first six integer arguments at the entry of a function.
    public var functionArguments: [UInt64] { Self.functionPlaces.map { words[$0] } }

    /// The six arguments of the system call that begins.
    public var systemCallArguments: [UInt64] { Self.argumentPlaces.map { words[$0] } }

    /// The number of the system call that begins.
    public var systemCallNumber: Int { Int(truncatingIfNeeded: words[Self.call]) }

    /// All of them, by name, in the order of the kernel.
    public var all: [(name: String, value: UInt64)] { Self.names.indices.map { (Self.names[$0], words[$0]) } }
}

extension Registers: Equatable {
    /// Whether all are the same.
    public static func == (left: Registers, right: Registers) -> Bool {
        names.indices.allSatisfy { left.words[$0] == right.words[$0] }
    }
}
