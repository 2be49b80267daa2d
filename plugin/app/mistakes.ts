/** What a start, a reload and a command say of a mistake in a file of the user's: a place and a sentence, never a stack. */
import { ConfigError, type ConfigFile, ConfigFileError } from '../../config/load.ts';

/** `push.apns.apps[0].key: …`: how adapters and listeners name the setting they cannot use. */
const SETTING = /^([A-Za-z][\w-]*(?:\.[\w-]+|\[\d+\])*)(?=[:\s])(?::\s*)?(.*)$/;

export const isConfigError = (error: unknown): error is ConfigError => error instanceof ConfigError;

/** The same error with file, line and column; anything that is no mistake of the configuration comes back as it is. */
export function placed(error: unknown, file: ConfigFile): unknown {
  if (!isConfigError(error) || error instanceof ConfigFileError) return error;
  return file.mistakes(
    error.message.split('\n').map((line) => {
      const [, path = '', message = line] = SETTING.exec(line) ?? [];
      return { path, message };
    }),
  );
}

/** A file or folder that cannot be used, in a sentence; undefined: the error is about something else. */
export function fileTrouble(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || path === undefined) return undefined;
  return `cannot ${VERBS[syscall ?? ''] ?? 'use'} ${path} (${code}${code in WORDS ? `: ${WORDS[code]}` : ''})`;
}

const VERBS: Readonly<Record<string, string>> = {
  open: 'open',
  read: 'read',
  write: 'write',
  mkdir: 'make',
  rename: 'write',
  chown: 'give away',
  chmod: 'set the mode of',
  copyfile: 'copy',
};
const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'it is not there',
  EACCES: 'this user may not',
  EPERM: 'this user may not',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is no folder',
  EROFS: 'the disk is read-only',
  ENOSPC: 'the disk is full',
};
