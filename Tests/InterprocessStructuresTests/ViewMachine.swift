// SPDX-License-Identifier: Apache-2.0

/// Explores every execution of a few small programs under the memory model of C11, as far as programs without loops of
/// dependencies show it (RC11).
///
/// A word is the list of all values it ever had. A thread knows of each word from which value on it may still find it, its
/// view; a load returns any value from there on, so it may be stale. A releasing store takes along the view of its thread, and
/// whoever reads it with acquire knows as much; fences do so for what is loaded before or stored behind them; full fences
/// know what those before them knew. What is loaded and stored plainly must be ordered by this: else it is a race, which is
/// reported whatever was read.
///
/// What it does not show: a load that is satisfied behind a store which follows it, in both of two threads. C11 allows that
/// for relaxed accesses; here it would have to be a plain access, and so a race.
struct ViewMachine {
    enum Order: String, Comparable {
        case none, acquire, release, acquireRelease, full

        var acquires: Bool { self == .acquire || self >= .acquireRelease }
        var releases: Bool { self >= .release }
        /// What is a little less.
        var weaker: [Order] {
            switch self {
            case .none: []
            case .acquire, .release: [.none]
            case .acquireRelease: [.acquire, .release]
            case .full: [.acquireRelease, .none]
            }
        }

        private var rank: Int { [.none: 0, .acquire: 1, .release: 2, .acquireRelease: 3, .full: 4][self]! }
        static func < (left: Order, right: Order) -> Bool { left.rank < right.rank }
    }

    typealias Registers = [UInt8]
    typealias Value = (Registers) -> UInt8

    enum Step {
        case load(Int, from: Int, Order)
        case store(Int, Order, Value)
        /// One more, atomically.
        case add(Int, Order)
        /// Not atomic: must not race.
        case plainLoad(Int, from: Int)
        case plainStore(Int, Value)
        case fence(Order)
        /// `membarrier(2)`: a full fence here and, wherever that is, in the other thread.
        case barrier(Int)
        case set(Int, Value)
        case label(String)
        case jump(String, (Registers) -> Bool)
        /// `FUTEX_WAIT`, or a wait for a datagram: sleeps if the word is, by the kernel's look at it, what the register says.
        case sleep(Int, Int)
        /// Ends a sleep of that thread on that word.
        case wake(Int, on: Int)
        case check(String, (Registers) -> Bool)
    }

    struct Outcome {
        var states = 0
        var violation: String?
    }

    /// Of each word the first value that may still be found; then of each thread how many of its plain accesses are known.
    fileprivate typealias View = [UInt8]

    fileprivate struct Message: Hashable {
        var value: UInt8
        var view: View
    }

    fileprivate struct Thread: Hashable {
        var place: UInt8 = 0
        /// 255: awake.
        var sleepsOn: UInt8 = 255
        var spurious: UInt8
        var registers = Registers(repeating: 0, count: 6)
        /// Known; known once an acquire fence comes; told by stores since the last release fence.
        var current: View
        var acquired: View
        var told: View
    }

    fileprivate struct State: Hashable {
        var words: [[Message]]
        var threads: [Thread]
        /// What the last full fence knew.
        var fenced: View
        /// Of each word and thread: the number of its last plain load and of its last plain store, 0 for those known to all.
        var reads: [[UInt8]]
        var writes: [[UInt8]]
    }

    private let programs: [[Step]]
    private let labels: [[String: Int]]
    private let wordCount: Int

    /// - Parameter spurious: how many waits of each thread may end for no reason.
    static func explore(memory: [UInt8], spurious: Int = 0, _ programs: [[Step]], stopsEarly: Bool = false) -> Outcome {
        let machine = ViewMachine(programs, memory.count)
        let empty = View(repeating: 0, count: memory.count + programs.count)
        let first = State(
            words: memory.map { [Message(value: $0, view: empty)] },
            threads: programs.map { _ in
                Thread(spurious: UInt8(spurious), current: empty, acquired: empty, told: empty)
            },
            fenced: empty, reads: memory.map { _ in programs.map { _ in 0 } },
            writes: memory.map { _ in programs.map { _ in 0 } })
        var outcome = Outcome()
        var seen: Set<State> = [first]
        var open = [first]
        while let state = open.popLast() {
            outcome.states += 1
            let following = machine.successors(state, &outcome.violation)
            if stopsEarly && outcome.violation != nil { return outcome }
            for next in following where seen.insert(next).inserted { open.append(next) }
        }
        return outcome
    }

    private init(_ programs: [[Step]], _ wordCount: Int) {
        self.programs = programs
        self.wordCount = wordCount
        labels = programs.map { steps in
            var labels: [String: Int] = [:]
            for (index, step) in steps.enumerated() {
                if case .label(let name) = step { labels[name] = index }
            }
            return labels
        }
    }

    private func successors(_ state: State, _ violation: inout String?) -> [State] {
        var following: [State] = []
        var isDone = true
        for index in state.threads.indices {
            let thread = state.threads[index]
            if Int(thread.place) == programs[index].count { continue }
            isDone = false
            if thread.sleepsOn != 255 {
                guard thread.spurious > 0 else { continue }
                var next = state
                next.threads[index].sleepsOn = 255
                next.threads[index].spurious -= 1
                following.append(next)
            } else {
                following += run(state, index, &violation)
            }
        }
        if following.isEmpty && !isDone { violation = violation ?? "asleep for ever" }
        return following.map(\.shortened)
    }

    /// What one step of one thread may lead to.
    private func run(_ state: State, _ index: Int, _ violation: inout String?) -> [State] {
        var next = state
        let step = programs[index][Int(state.threads[index].place)]
        next.threads[index].place += 1
        switch step {
        case .load(let register, let word, let order):
            return (Int(state.threads[index].current[word])..<state.words[word].count).map { choice in
                var other = next
                other.threads[index].read(word, choice, state.words[word][choice].view, order)
                other.threads[index].registers[register] = state.words[word][choice].value
                return other
            }
        case .store(let word, let order, let value):
            next.write(index, word, value(state.threads[index].registers), order)
        case .add(let word, let order):
            let last = state.words[word].count - 1
            next.threads[index].read(word, last, state.words[word][last].view, order)
            next.write(index, word, state.words[word][last].value &+ 1, order, behind: state.words[word][last].view)
        case .plainLoad(let register, let word):
            if state.races(index, word, wordCount, isWrite: false) { violation = violation ?? "a race, at a load" }
            next.threads[index].registers[register] = state.words[word].last!.value
            next.note(index, word, wordCount, isWrite: false)
        case .plainStore(let word, let value):
            if state.races(index, word, wordCount, isWrite: true) { violation = violation ?? "a race, at a store" }
            next.note(index, word, wordCount, isWrite: true)
            next.write(index, word, value(state.threads[index].registers), .none)
        case .fence(let order): next.fence(index, order)
        case .barrier(let other):
            for thread in [index, other, index] { next.fence(thread, .full) }
        case .set(let register, let value):
            next.threads[index].registers[register] = value(state.threads[index].registers)
        case .label: break
        case .jump(let label, let condition):
            if condition(state.threads[index].registers) { next.threads[index].place = UInt8(labels[index][label]!) }
        case .sleep(let word, let register):
            if state.words[word].last!.value == state.threads[index].registers[register] {
                next.threads[index].sleepsOn = UInt8(word)
            }
        case .wake(let other, let word):
            if state.threads[other].sleepsOn == UInt8(word) { next.threads[other].sleepsOn = 255 }
        case .check(let what, let holds):
            if !holds(state.threads[index].registers) { violation = violation ?? what }
        }
        return [next]
    }
}

extension ViewMachine.Thread {
    fileprivate mutating func read(_ word: Int, _ choice: Int, _ view: ViewMachine.View, _ order: ViewMachine.Order) {
        current[word] = UInt8(choice)
        acquired[word] = max(acquired[word], UInt8(choice))
        acquired.join(view)
        if order.acquires { current.join(view) }
        acquired.join(current)
    }
}

extension ViewMachine.State {
    /// Values come behind one another: each word has one writer, or only additions.
    fileprivate mutating func write(
        _ thread: Int, _ word: Int, _ value: UInt8, _ order: ViewMachine.Order, behind: ViewMachine.View? = nil
    ) {
        let time = UInt8(words[word].count)
        threads[thread].current[word] = time
        threads[thread].acquired[word] = time
        var view = order.releases ? threads[thread].current : threads[thread].told
        view[word] = time
        if let behind { view.join(behind) }
        words[word].append(ViewMachine.Message(value: value, view: view))
    }

    fileprivate mutating func fence(_ index: Int, _ order: ViewMachine.Order) {
        if order.acquires { threads[index].current = threads[index].acquired }
        if order == .full {
            threads[index].current.join(fenced)
            threads[index].acquired = threads[index].current
            fenced = threads[index].current
        }
        if order.releases { threads[index].told = threads[index].current }
    }

    fileprivate func races(_ index: Int, _ word: Int, _ wordCount: Int, isWrite: Bool) -> Bool {
        threads.indices.contains { other in
            other != index
                && max(writes[word][other], isWrite ? reads[word][other] : 0)
                    > threads[index].current[wordCount + other]
        }
    }

    fileprivate mutating func note(_ index: Int, _ word: Int, _ wordCount: Int, isWrite: Bool) {
        threads[index].current[wordCount + index] += 1
        let number = threads[index].current[wordCount + index]
        threads[index].acquired[wordCount + index] = number
        if isWrite { writes[word][index] = number } else { reads[word][index] = number }
    }

    /// Without what nobody can find any more, so that a loop comes back to where it was.
    fileprivate var shortened: ViewMachine.State {
        let known = fenced.indices.map { place in threads.map { $0.current[place] }.min()! }
        if known.allSatisfy({ $0 == 0 }) { return self }
        var short = self
        for word in words.indices {
            short.words[word].removeFirst(Int(known[word]))
            for message in short.words[word].indices { short.words[word][message].view.lower(known) }
            for thread in threads.indices {
                let base = known[words.count + thread]
                short.reads[word][thread] -= min(base, reads[word][thread])
                short.writes[word][thread] -= min(base, writes[word][thread])
            }
        }
        for thread in threads.indices {
            short.threads[thread].current.lower(known)
            short.threads[thread].acquired.lower(known)
            short.threads[thread].told.lower(known)
        }
        short.fenced.lower(known)
        return short
    }
}

extension [UInt8] {
    fileprivate mutating func join(_ other: [UInt8]) {
        for index in indices where other[index] > self[index] { self[index] = other[index] }
    }

    fileprivate mutating func lower(_ by: [UInt8]) {
        for index in indices { self[index] -= Swift.min(by[index], self[index]) }
    }
}
