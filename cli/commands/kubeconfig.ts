import { kubeadmKubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { readKubeconfig } from "@raft2kube/pki/read-kubeconfig.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { commandWith, type FlagsOf, type FlagTable, repeated, required } from "../flags.ts";
import { issueBy, readAuthority } from "../machine/certificates.ts";
import { readKubeadmConfig } from "../machine/config/kubeadm.ts";
import { kubeconfigPath } from "../machine/layout.ts";

const FLAGS = {
  "--client-name <name>": required("the user: the certificate's common name"),
  "--org <group>": repeated("a group of the user"),
  "--token <token>": "a token in place of a certificate",
  "--config <file>": "the cluster's configuration, for its name and the folder of its CA",
} as const satisfies FlagTable;

type Flags = FlagsOf<typeof FLAGS>;

/** `r2k kubeconfig user`: a kubeconfig for a further user, with kubeadm's words. */
export function command(): Command {
  const kubeconfig = new Command("kubeconfig").description("Kubeconfigs of further users.");
  const text = "Print a kubeconfig for a user, with a certificate by the cluster's CA.";
  return kubeconfig.addCommand(commandWith("user", text, FLAGS, user));
}

async function user({ clientName, org, token, config }: Flags): Promise<void> {
  const { certificatesDir: dir, clusterName } = (await readKubeadmConfig(config)).cluster;
  const ca = await readAuthority(dir, "ca");
  const { server } = await readKubeconfig(kubeconfigPath("admin"));
  const request = { commonName: clientName, organizations: org, usages: ["client" as const] };
  const credentials =
    token !== undefined ? { token } : await issueBy(ca, request, systemClock().now());
  const access = { server, ca: ca.cert, ...credentials };
  process.stdout.write(kubeadmKubeconfig(clusterName, clientName, access));
}
