// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

@main
struct IPC: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ipc")
}
