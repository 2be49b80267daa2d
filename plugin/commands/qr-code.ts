/**
 * A QR code for the terminal: two rows of modules in a line, by half blocks. The light modules are drawn and the dark ones left out; the
 * colours are set besides, so that it is dark on light whatever the terminal's own colours are. Without colours a dark terminal shows it
 * rightly and a light one turned round, which phones read as well.
 */
import qrcode from 'qrcode-generator';

/** Light modules around it that a reader needs (ISO/IEC 18004). */
const QUIET = 4;
const GLYPHS = { both: '█', upper: '▀', lower: '▄', none: ' ' } as const;

/** Lines of the same width. */
export function qrLines(text: string): readonly string[] {
  // As large as the text needs; 15 % of it may be misread.
  const code = qrcode(0, 'M');
  code.addData(text);
  code.make();
  const size = code.getModuleCount();
  const isLight = (row: number, column: number) =>
    row < 0 || column < 0 || row >= size || column >= size || !code.isDark(row, column);
  const lines: string[] = [];
  for (let row = -QUIET; row < size + QUIET; row += 2) {
    let line = '';
    for (let column = -QUIET; column < size + QUIET; column++) {
      const [upper, lower] = [isLight(row, column), isLight(row + 1, column)];
      line += GLYPHS[upper && lower ? 'both' : upper ? 'upper' : lower ? 'lower' : 'none'];
    }
    lines.push(line);
  }
  return lines;
}
