// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

struct CompletionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completions", abstract: "Print what makes a shell complete verbs, options and live addresses.",
        discussion: """
            Examples:
              ipc completions bash > /etc/bash_completion.d/ipc
              ipc completions zsh > ~/.zfunc/_ipc
              ipc completions fish > ~/.config/fish/completions/ipc.fish
            """)

    @Argument(help: "bash, zsh or fish.")
    var shell: String

    func run() throws {
        guard let shell = CompletionShell(rawValue: shell) else {
            throw Failure.usage("no completions for \"\(shell.printable)\"; there are: bash, zsh, fish")
        }
        Output.line(IPC.completionScript(for: shell))
    }
}
