// SPDX-License-Identifier: Apache-2.0

/// Explores every execution of a few small programs over shared words whose stores may arrive late.
///
/// Three models: stores arrive at once (sequential consistency); in the order of the program through a buffer that the
/// thread alone sees (x86-64's TSO); in any order but that of one word, releasing stores behind everything before them
/// (the part of arm64 that reorders stores). Loads happen in the order of the program: what acquire fences are for shows in
/// ``ViewMachine``.
struct WeakMemory {
    enum Model: CaseIterable { case sequential, totalStoreOrder, partialStoreOrder }

    struct Registers {
        var values: [UInt8] = Array(repeating: 0, count: 5)
        subscript(_ index: Int) -> UInt8 {
            get { values[index] }
            set { values[index] = newValue }
        }
    }

    enum Step {
        case load(Int, from: Int)
        case store(Int, (Registers) -> UInt8)
        case release(Int, (Registers) -> UInt8)
        /// One more, atomically.
        case add(Int)
        case set(Int, (Registers) -> UInt8)
        case fence
        /// `membarrier(2)`: a fence in the other thread, wherever that is.
        case barrier(Int)
        case label(String)
        case jump(String, (Registers) -> Bool)
        /// `FUTEX_WAIT`: sleeps if the word is what the register says.
        case sleep(Int, Int)
        case wake(Int)
        case check(String, (Registers) -> Bool)
    }

    struct Outcome {
        var states = 0
        var violation: String?
    }

    private struct Thread {
        var place: UInt8 = 0
        var isAsleep = false
        var spurious: UInt8
        var registers = Registers()
        /// Word, value and whether it is a releasing store.
        var buffer: [(word: UInt8, value: UInt8, isRelease: Bool)] = []
    }

    private struct State {
        var memory: [UInt8]
        var threads: [Thread]

        var key: [UInt8] {
            var key = memory
            for thread in threads {
                key += [thread.place, thread.isAsleep ? 1 : 0, thread.spurious, UInt8(thread.buffer.count)]
                key += thread.registers.values
                for entry in thread.buffer { key += [entry.word, entry.value, entry.isRelease ? 1 : 0] }
            }
            return key
        }
    }

    private let model: Model
    private let programs: [[Step]]
    private let labels: [[String: Int]]

    private init(_ model: Model, _ programs: [[Step]]) {
        self.model = model
        self.programs = programs
        labels = programs.map { steps in
            var labels: [String: Int] = [:]
            for (index, step) in steps.enumerated() {
                if case .label(let name) = step { labels[name] = index }
            }
            return labels
        }
    }

    /// - Parameter spurious: how many waits of each thread may end for no reason.
    static func explore(_ model: Model, memory: [UInt8], spurious: Int = 0, _ programs: [[Step]]) -> Outcome {
        let weak = WeakMemory(model, programs)
        let first = State(
            memory: memory, threads: programs.map { _ in Thread(spurious: UInt8(spurious)) })
        var outcome = Outcome()
        var seen: Set<[UInt8]> = [first.key]
        var open = [first]
        while let state = open.popLast() {
            outcome.states += 1
            var violation: String?
            let following = weak.successors(state, &violation)
            if let violation { outcome.violation = outcome.violation ?? violation }
            for next in following where seen.insert(next.key).inserted { open.append(next) }
        }
        return outcome
    }

    private func successors(_ state: State, _ violation: inout String?) -> [State] {
        var following: [State] = []
        var isDone = true
        for index in state.threads.indices {
            let thread = state.threads[index]
            for entry in thread.buffer.indices where mayArrive(thread, entry) {
                var next = state
                let store = next.threads[index].buffer.remove(at: entry)
                next.memory[Int(store.word)] = store.value
                following.append(next)
            }
            if Int(thread.place) == programs[index].count { continue }
            isDone = false
            if thread.isAsleep {
                guard thread.spurious > 0 else { continue }
                var next = state
                next.threads[index].isAsleep = false
                next.threads[index].spurious -= 1
                following.append(next)
            } else if let next = run(state, index, &violation) {
                following.append(next)
            }
        }
        if following.isEmpty && !isDone { violation = "asleep for ever" }
        return following
    }

    private func mayArrive(_ thread: Thread, _ entry: Int) -> Bool {
        if entry == 0 { return true }
        guard model == .partialStoreOrder else { return false }
        let store = thread.buffer[entry]
        return !store.isRelease && !thread.buffer[..<entry].contains { $0.word == store.word }
    }

    /// One step of one thread; nil: it cannot go on yet.
    private func run(_ state: State, _ index: Int, _ violation: inout String?) -> State? {
        var next = state
        var thread = state.threads[index]
        thread.place += 1
        switch programs[index][Int(thread.place) - 1] {
        case .load(let register, let word):
            let own = thread.buffer.last { $0.word == word }?.value
            thread.registers[register] = own ?? state.memory[word]
        case .store(let word, let value), .release(let word, let value):
            var isRelease = false
            if case .release = programs[index][Int(thread.place) - 1] { isRelease = true }
            if model == .sequential {
                next.memory[word] = value(thread.registers)
            } else {
                thread.buffer.append((UInt8(word), value(thread.registers), isRelease))
            }
        case .add(let word):
            guard thread.buffer.isEmpty else { return nil }
            next.memory[word] += 1
        case .set(let register, let value): thread.registers[register] = value(thread.registers)
        case .fence: guard thread.buffer.isEmpty else { return nil }
        case .barrier(let other):
            guard thread.buffer.isEmpty, state.threads[other].buffer.isEmpty else { return nil }
        case .label: break
        case .jump(let label, let condition):
            if condition(thread.registers) { thread.place = UInt8(labels[index][label]!) }
        case .sleep(let word, let register):
            guard thread.buffer.isEmpty else { return nil }
            thread.isAsleep = state.memory[word] == thread.registers[register]
        case .wake(let other):
            guard thread.buffer.isEmpty else { return nil }
            next.threads[other].isAsleep = false
        case .check(let what, let holds): if !holds(thread.registers) { violation = what }
        }
        next.threads[index] = thread
        return next
    }
}
