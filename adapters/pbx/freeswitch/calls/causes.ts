/** FreeSWITCH's names for causes, and Q.850 as the core knows them. */
import { Cause } from '../../../../plugin/core/wake.ts';

/** What a leg ended with → what it means for the wake. The SIP answers beside them are FreeSWITCH's own table. */
const BY_NAME: Readonly<Record<string, number>> = {
  UNALLOCATED_NUMBER: 1, // 404
  NO_ROUTE_DESTINATION: Cause.noRoute,
  NORMAL_CLEARING: 16,
  USER_BUSY: Cause.busy, // 486, 600
  NO_ANSWER: Cause.noAnswer,
  NO_USER_RESPONSE: Cause.noAnswer, // 480
  SUBSCRIBER_ABSENT: Cause.subscriberAbsent,
  USER_NOT_REGISTERED: Cause.subscriberAbsent,
  CALL_REJECTED: Cause.rejected, // 603
  LOSE_RACE: Cause.answeredElsewhere,
  PICKED_OFF: Cause.answeredElsewhere,
  ORIGINATOR_CANCEL: Cause.interworking, // 487
  // Nothing came back, or the connection could not be made: Asterisk says 18, 27 and 34 for these.
  RECOVERY_ON_TIMER_EXPIRE: 18, // 408
  PROGRESS_TIMEOUT: 18,
  DESTINATION_OUT_OF_ORDER: 27,
  GATEWAY_DOWN: 34,
  NORMAL_TEMPORARY_FAILURE: 34, // 503
  NETWORK_OUT_OF_ORDER: 34,
};

export function causeOf(name: string): number {
  return Object.hasOwn(BY_NAME, name) ? (BY_NAME[name] ?? 31) : 31;
}

/** What `uuid_kill` is told. */
export function nameOf(cause: number): string {
  switch (cause) {
    case Cause.answeredElsewhere:
      return 'LOSE_RACE';
    case Cause.interworking:
      return 'ORIGINATOR_CANCEL';
    case Cause.busy:
      return 'USER_BUSY';
    case Cause.rejected:
      return 'CALL_REJECTED';
    case Cause.noRoute:
      return 'USER_NOT_REGISTERED';
    case Cause.subscriberAbsent:
      return 'SUBSCRIBER_ABSENT';
    default:
      return 'NO_ANSWER';
  }
}
