import { CommandError } from "../terminal.ts";

/** A flag that cannot be read; as etcd, the program ends with exit code 2. */
export class FlagError extends CommandError {
  constructor(message: string, remedy?: string) {
    super("FLAG", message, { exitCode: 2, ...(remedy === undefined ? {} : { remedy }) });
  }
}

/** Flags that are read, and mean nothing that can be done; as etcd, the program ends with 1. */
export class SettingError extends CommandError {
  constructor(message: string) {
    super("SETTING", message, { exitCode: 1 });
  }
}
