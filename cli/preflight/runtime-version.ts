import { type Check, type Finding, ok, warning } from "./check.ts";
import { tryCommand } from "./command.ts";

/**
 * The first crun without a known vulnerability that this runtime reaches: CVE-2019-18837, fixed in
 * 0.10.5, and CVE-2022-27650, in 1.4.4. The krun handler of CVE-2025-24965 is never asked for; the
 * maintainers found crun not open to CVE-2025-31133, 2025-52565 and 2025-52881.
 */
const CRUN_MIN = [1, 4, 4] as const;

/** Checks the output of `crun --version`. A distribution may have fixed an older version. */
export function judgeCrun(output: string): Finding {
  const [, text = "", ...numbers] = /^crun version ((\d+)\.(\d+)(?:\.(\d+))?)/m.exec(output) ?? [];
  const minimum = CRUN_MIN.join(".");
  const remedy = `crun ${minimum} or later, or a distribution that mends CVE-2022-27650`;
  if (text === "") return warning("crun does not report its version", remedy);
  const version = numbers.map((part = "0") => Number(part));
  const at = version.findIndex((part, index) => part !== CRUN_MIN[index]);
  const older = at >= 0 && version[at]! < CRUN_MIN[at]!;
  return older ? warning(`${text} has known vulnerabilities`, remedy) : ok(text);
}

export const runtimeVersionCheck: Check = {
  name: "version of crun",
  async ask() {
    const { succeeded, output } = await tryCommand("crun", "--version");
    if (!succeeded) return warning(output, "see the check of the program");
    return judgeCrun(output);
  },
};
