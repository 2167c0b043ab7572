import { text } from "node:stream/consumers";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { checkLogin } from "@raft2kube/runtime/image/registry.ts";
import { Command } from "commander";
import type { FindHost } from "../engine/host.ts";
import { removeAuth, saveAuth } from "../registry/auth-file.ts";

type Flags = { username?: string; password?: string; passwordStdin?: boolean };

export function command(find: FindHost): Command {
  return new Command("login")
    .argument("[registry]")
    .description("Keep credentials for a registry.")
    .option("-u, --username <name>", "the user")
    .option("-p, --password <password>", "better: --password-stdin")
    .option("--password-stdin", "read the password from standard input")
    .action(async (registry = "docker.io", flags: Flags) => {
      const { username, passwordStdin } = flags;
      const password = passwordStdin
        ? (await text(process.stdin)).replace(/\r?\n$/, "")
        : flags.password;
      if (username === undefined || password === undefined || password === "") {
        throw new RuntimeError("invalid-argument", "login needs a user and a password", {
          remedy: "r2k container login -u USER --password-stdin REGISTRY < FILE",
        });
      }
      const { clock, registries: endpoints } = await find();
      await checkLogin(registry, { auth: { username, password }, clock, endpoints });
      await saveAuth(registry, username, password);
      process.stdout.write("Login Succeeded\n");
    });
}

export function logoutCommand(): Command {
  return new Command("logout")
    .argument("[registry]")
    .description("Forget a registry's credentials.")
    .action(async (registry = "docker.io") => {
      const removed = await removeAuth(registry);
      process.stdout.write(
        removed ? `Removed credentials for ${registry}\n` : `Not logged in to ${registry}\n`,
      );
    });
}
