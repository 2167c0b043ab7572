import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CHECK_MS_MAX, UNFIT_BYTES_MAX } from "../limits.ts";
import type { Bind, Plan } from "../plan/model.ts";
import { token } from "./quote.ts";

/** The name of a pair's file. */
export const fileOf = (id: string): string => `${token(id)}.pem`;

/** Returns a plan without some pairs; a port without any other is not served. */
export function withoutPairs(plan: Plan, unfit: ReadonlySet<string>): Plan {
  const rest = ({ port, certificates }: Bind): Bind[] => {
    if (!certificates) return [{ port }];
    const left = certificates.filter(({ id }) => !unfit.has(id));
    return left.length === 0 ? [] : [{ port, certificates: left }];
  };
  const frontends = plan.frontends.map((each) => ({ ...each, binds: each.binds.flatMap(rest) }));
  return { ...plan, frontends };
}

/**
 * Resolves with the ids of a plan's pairs that haproxy does not take: its OpenSSL is another than
 * Node's. Their files are in `dir`; one check of them, each on a line of its own, names all.
 */
export async function unfitPairs(
  haproxy: string,
  dir: string,
  plan: Plan,
): Promise<ReadonlySet<string>> {
  const binds = plan.frontends.flatMap((frontend) => frontend.binds);
  const pairs = binds.flatMap(({ certificates = [] }) => certificates);
  const ids = [...new Set(pairs.map(({ id }) => id))];
  const lines = ids.map((id) => `  bind :1 ssl crt ${join(dir, fileOf(id))}\n`);
  const config = join(dir, "pairs.cfg");
  await writeFile(config, `frontend pairs\n${lines.join("")}`);
  const said = await answerOf(haproxy, ["-c", "-f", config]);
  const named = [...said.matchAll(/pairs\.cfg:(\d+)\]/g)].map(([, line]) => ids[Number(line) - 2]);
  return new Set(named.filter((id) => id !== undefined));
}

/** Resolves with what a program writes as errors, also when it fails. */
const answerOf = (program: string, args: readonly string[]) =>
  new Promise<string>((resolve) => {
    const options = { timeout: CHECK_MS_MAX, maxBuffer: UNFIT_BYTES_MAX };
    execFile(program, args, options, (_failure, _stdout, stderr) => resolve(stderr));
  });
