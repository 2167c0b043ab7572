import { newToken } from "@raft2kube/client-kube/object/bootstrap-token.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { printable } from "@raft2kube/std/printable.ts";
import { Command } from "commander";
import { kubeconfigPath } from "../machine/layout.ts";
import { joinLine } from "../machine/phases/cluster.ts";
import { createToken, deleteToken, listTokens, TOKEN_TTL } from "../machine/tokens.ts";
import { CommandError, printResult, table } from "../terminal.ts";

type Flags = { readonly kubeconfig: string };

/** `r2k token`: bootstrap tokens, with kubeadm's words. */
export function command(): Command {
  const token = new Command("token").description("Tokens by which machines join the cluster.");
  const add = (name: string, text: string) => {
    const path = kubeconfigPath("admin");
    return token.command(name).description(text).option("--kubeconfig <file>", "as whom", path);
  };
  add("create", "Create a token.")
    .argument("[token]")
    .option("--ttl <duration>", "how long it is valid; 0 for ever", TOKEN_TTL)
    .option("--description <text>", "what it is for")
    .option("--print-join-command", "print the command by which a machine joins with it")
    .action(create);
  add("list", "List the tokens.").option("-o, --output <format>", "json").action(list);
  add("delete", "Delete tokens, by themselves or their ids.")
    .argument("<tokens...>")
    .action(async (tokens: string[], flags: Flags) => {
      using client = await clientOf(flags);
      for (const each of tokens) {
        process.stdout.write(`bootstrap token "${await deleteToken(client, each)}" deleted\n`);
      }
    });
  token
    .command("generate")
    .description("Print a new token; nothing is created.")
    .action(() => void process.stdout.write(`${newToken()}\n`));
  return token;
}

interface CreateFlags extends Flags {
  readonly ttl: string;
  readonly description?: string;
  readonly printJoinCommand?: true;
}

async function create(wanted: string | undefined, flags: CreateFlags): Promise<void> {
  const { ttl, description, printJoinCommand, kubeconfig } = flags;
  const token = wanted ?? newToken();
  using client = await clientOf(flags);
  await createToken(client, { token, ttl, ...given({ description }) });
  if (!printJoinCommand) return void process.stdout.write(`${token}\n`);
  const { server, ca } = await readKubeconfig(kubeconfig);
  if (ca === undefined) throw new CommandError("NO_CA", `${kubeconfig} has no CA`);
  process.stdout.write(`${joinLine(new URL(server).host, token, ca)}\n`);
}

async function list(flags: Flags & { output?: string }): Promise<void> {
  using client = await clientOf(flags);
  const heads = ["TOKEN", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS"];
  printResult(flags.output, await listTokens(client), (tokens) => {
    const rows = tokens.map(({ token, expires, usages, description, groups }) => {
      return [token, expires, usages, description, groups];
    });
    return printable(table([heads, ...rows]));
  });
}

async function clientOf({ kubeconfig }: Flags): Promise<KubeClient> {
  const connection = await kubeConnection(kubeconfig);
  return new KubeClient({ ...connection, clock: systemClock(), userAgent: "r2k-token" });
}
