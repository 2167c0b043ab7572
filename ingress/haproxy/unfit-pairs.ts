import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CHECK_MS_MAX, UNFIT_BYTES_MAX } from "../limits.ts";
import type { Bind, Pair, Plan } from "../plan/model.ts";
import { token } from "./quote.ts";

/** Returns a plan's pairs by their id. */
export function pairsOf({ frontends }: Plan): ReadonlyMap<string, Pair> {
  const binds = frontends.flatMap((frontend) => frontend.binds);
  const pairs = binds.flatMap(({ certificates = [] }) => certificates);
  return new Map(pairs.map((pair) => [pair.id, pair]));
}

/** Returns a plan without some pairs; a port without any other is not served. */
export function withoutPairs(plan: Plan, unfit: ReadonlySet<string>): Plan {
  if (unfit.size === 0) return plan;
  const rest = ({ port, certificates }: Bind): Bind[] => {
    if (!certificates) return [{ port }];
    const left = certificates.filter(({ id }) => !unfit.has(id));
    return left.length === 0 ? [] : [{ port, certificates: left }];
  };
  const frontends = plan.frontends.map((each) => ({ ...each, binds: each.binds.flatMap(rest) }));
  return { ...plan, frontends };
}

/**
 * Resolves with the ids of the pairs that haproxy does not take: its OpenSSL is another than
 * Node's. One check of all of them, in `dir`, which it makes and removes, names each.
 */
export async function unfitPairs(
  haproxy: string,
  dir: string,
  pairs: ReadonlyMap<string, Pair>,
): Promise<ReadonlySet<string>> {
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { mode: 0o700 });
  try {
    const lines = ["frontend pairs"];
    for (const { id, pem } of pairs.values()) {
      const file = join(dir, `${token(id)}.pem`);
      await writeFile(file, pem, { mode: 0o600 });
      lines.push(`  bind :1 ssl crt ${file}`);
    }
    const config = join(dir, "pairs.cfg");
    await writeFile(config, `${lines.join("\n")}\n`);
    const said = await answerOf(haproxy, ["-c", "-f", config]);
    const ids = [...pairs.keys()];
    const named = [...said.matchAll(/pairs\.cfg:(\d+)\]/g)].map(
      ([, line]) => ids[Number(line) - 2],
    );
    return new Set(named.filter((id) => id !== undefined));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Resolves with what a program writes as errors, also when it fails. */
const answerOf = (program: string, args: readonly string[]) =>
  new Promise<string>((resolve) => {
    const options = { timeout: CHECK_MS_MAX, maxBuffer: UNFIT_BYTES_MAX };
    execFile(program, args, options, (_failure, _stdout, stderr) => resolve(stderr));
  });
