import { spawn } from "node:child_process";
import type { Credentials } from "./credentials.ts";
import { peer, type Running } from "./sides.ts";

/** The values that `api-load` prints, by name. */
export type Said = Readonly<Record<string, number>>;

/** Runs the load generator (scripts/peers/api-load) on one side until it ends. */
export async function load(
  { server }: Pick<Running, "server">,
  { ca, admin }: Pick<Credentials, "ca" | "admin">,
  work: string,
  flags: Readonly<Record<string, string | number | boolean>> = {},
): Promise<Said> {
  const given = { server, ca, cert: admin.cert, key: admin.key, ...flags };
  const words = Object.entries(given).map(([name, value]) => `-${name}=${value}`);
  const text = await output(peer("api-load"), [...words, work]);
  return JSON.parse(text) as Said;
}

function output(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(said);
      else reject(new Error(`api-load ${args.at(-1)} ended with ${code}`));
    });
  });
}
