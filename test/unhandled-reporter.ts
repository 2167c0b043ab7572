import { writeFileSync } from "node:fs";

/**
 * Writes what no test caught, a list of messages as JSON, to the file that R2K_UNHANDLED names:
 * Vitest's own report for programs leaves it out.
 */
export default class UnhandledReporter {
  onTestRunEnd(_modules: unknown, errors: readonly { readonly message?: string }[]): void {
    const messages = errors.map(({ message = "an error without a message" }) => message);
    writeFileSync(process.env["R2K_UNHANDLED"]!, JSON.stringify(messages));
  }
}
