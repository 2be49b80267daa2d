/** pushwake on a clock that runs faster. Arguments: configuration, speed, the instant it shows at a real instant. */
import { affineClock, wireClock } from '../../adapters/clock/system/index.ts';
import { instant } from '../../plugin/core/time.ts';
import { start } from '../../plugin/main.ts';

const [file = '', k = '1', startAt = '0', realStartMs = '0'] = process.argv.slice(2);
const clock = affineClock({ k: Number(k), startAt: instant(Number(startAt)), realStartMs: Number(realStartMs) });
await start(file, { clock, wire: wireClock(clock) });
