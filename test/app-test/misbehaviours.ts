/** What an app may do wrong, each with the one rule that it breaks. */
export const MISBEHAVIOURS = {
  'does not come for a call push': 'A1',
  'comes seven seconds later': 'A2',
  'registers without its push parameters': 'A3',
  'leaves the INVITE without an answer': 'A4',
  'answers by itself': 'A5',
  'shows a call for the push and one for the INVITE': 'A6',
  'cannot be answered': 'A7',
  'rings for a caller who was gone before it came': 'A8',
  'rings on after CANCEL': 'A9',
  'counts a call that somebody else took as missed': 'A10',
  'leaves a second call without an answer': 'A11',
  'rings for a push that is too old': 'A12',
  'does not come for a silent push': 'A13',
  'shows a silent push': 'A14',
  'does not show a notice': 'A15',
  'shows a repeated push as another call': 'A16',
  'keeps its old token': 'A17',
  'becomes another device in the background': 'A18',
  'logs out when it goes to sleep': 'A19',
  'stays registered when its user logs out': 'A20',
  'refuses by itself': 'A21',
} as const;

export type Misbehaviour = keyof typeof MISBEHAVIOURS;
