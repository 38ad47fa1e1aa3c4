// SPDX-License-Identifier: Apache-2.0
// The header of a log that another process made: what is believed fits into the region and can be read from.

/// One input: libFuzzer calls this.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    var input = Input(start, count)
    let honest = layouts[input.choose(layouts.count)]
    let byteCount = [honest.regionBytes, honest.regionBytes + 64, honest.regionBytes - 1, 128, 127, 0][input.choose(6)]
    let region = Region(byteCount)
    if byteCount >= honest.regionBytes { honest.format(region.base, origin: origin(&input, honest)) }
    // One field, several, or none.
    for field in [0, 8, 64, 72, 80, 88, 96] where field + 8 <= byteCount && input.byte() & 3 == 3 {
        region[field] = input.word(near: region[field])
    }
    let layout: LogLayout
    do { layout = try LogLayout(reading: region.base, byteCount: byteCount) } catch { return 0 }
    must(layout.regionBytes <= byteCount && layout.capacity >= 64, "a layout beyond its region: \(layout)")
    must(layout.payloadOffset >= 16 && layout.payloadBytes >= 0, "a payload before its record: \(layout)")
    if layout.isFixed {
        must(layout.capacity % layout.stride == 0 && layout.stride % 64 == 0, "records that do not fit: \(layout)")
        must(layout.payloadOffset + layout.payloadBytes <= layout.stride, "a payload beyond its record: \(layout)")
    } else {
        must(layout.payloadOffset + layout.payloadBytes <= layout.capacity / 4, "a payload beyond a quarter: \(layout)")
    }
    let page = Region(PairLayout.regionBytes)
    guard let pair = PairLayout(stagger: Int(input.byte()) - 8) else { return 0 }
    let position = input.word(near: region[0])
    for isLossless in [true, false] {
        let cursor = ReaderCursor(
            region.base, layout, PairPage(page.base, pair), isLossless: isLossless, position: position,
            sequence: input.bits64())
        guard var cursor else { continue }
        _ = cursor.look()
        var target = [UInt8](repeating: 0, count: min(layout.payloadBytes, 8192))
        if !isLossless { _ = target.withUnsafeMutableBytes { cursor.copyNext(into: $0) } }
    }
    return 0
}
