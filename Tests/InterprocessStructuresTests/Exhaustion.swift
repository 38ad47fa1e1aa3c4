// SPDX-License-Identifier: Apache-2.0

/// Runs a scenario once for every sequence of choices that it can make.
struct Exhaustion {
    /// Makes the choices of one run.
    struct Chooser {
        fileprivate var choices: [(taken: Int, of: Int)] = []
        fileprivate var next = 0

        /// A number below `count`.
        mutating func choose(_ count: Int) -> Int {
            defer { next += 1 }
            if next == choices.count { choices.append((0, count)) }
            precondition(choices[next].of == count, "a scenario whose choices alone decide what happens")
            return choices[next].taken
        }

        fileprivate mutating func advance() -> Bool {
            while let last = choices.last {
                if last.taken + 1 < last.of {
                    choices[choices.count - 1].taken += 1
                    next = 0
                    return true
                }
                choices.removeLast()
            }
            return false
        }

        var description: String { choices.map { "\($0.taken)" }.joined() }
    }

    /// Returns how many runs there were.
    static func run(_ scenario: (inout Chooser) throws -> Void) rethrows -> Int {
        var chooser = Chooser()
        var runs = 0
        repeat {
            try scenario(&chooser)
            runs += 1
        } while chooser.advance()
        return runs
    }

    /// Runs the steps of several threads in every order.
    static func interleave(_ make: () -> (threads: [[() -> Void]], atTheEnd: () -> Void)) -> Int {
        run { chooser in
            let (threads, atTheEnd) = make()
            var places = threads.map { _ in 0 }
            while true {
                let ready = threads.indices.filter { places[$0] < threads[$0].count }
                if ready.isEmpty { break }
                let thread = ready[ready.count == 1 ? 0 : chooser.choose(ready.count)]
                threads[thread][places[thread]]()
                places[thread] += 1
            }
            atTheEnd()
        }
    }
}
