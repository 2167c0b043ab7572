import { CommandError } from "../terminal.ts";

/** A flag that cannot be used; as etcd, the program ends with exit code 2. */
export class FlagError extends CommandError {
  constructor(message: string, remedy?: string) {
    super("FLAG", message, { exitCode: 2, ...(remedy === undefined ? {} : { remedy }) });
  }
}
