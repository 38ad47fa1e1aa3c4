// SPDX-License-Identifier: Apache-2.0
import CInterprocess

/// The system calls by which processes talk to each other: number to name, as this machine counts them.
package let sysInterprocessCalls: [Int: String] = {
    var names: [Int: String] = [:]
    for index in 0..<cip_named_call_count() {
        // SAFETY: the index is within the table, whose names are literals.
        let call = unsafe cip_named_call(index)
        unsafe names[Int(call.number)] = String(cString: call.name)
    }
    return names
}()
