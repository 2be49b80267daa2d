/** A logger that keeps its lines, as the JSON that pino would write. */
import type { Logger } from '../../plugin/ports/adapter.ts';

type Level = Exclude<keyof Logger, 'isLevelEnabled'>;

export interface LogLine {
  readonly level: Level;
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

export class RecordedLog implements Logger {
  readonly lines: LogLine[] = [];

  debug(fields: Record<string, unknown>, message: string): void {
    this.lines.push({ level: 'debug', message, fields });
  }
  info(fields: Record<string, unknown>, message: string): void {
    this.lines.push({ level: 'info', message, fields });
  }
  warn(fields: Record<string, unknown>, message: string): void {
    this.lines.push({ level: 'warn', message, fields });
  }
  error(fields: Record<string, unknown>, message: string): void {
    this.lines.push({ level: 'error', message, fields });
  }

  at(level: Level): readonly LogLine[] {
    return this.lines.filter((line) => line.level === level);
  }

  /** Everything, as text: to look for what must not be there. */
  text(): string {
    return this.lines.map((line) => JSON.stringify(line)).join('\n');
  }
}
