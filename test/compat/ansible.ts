import { join } from "node:path";
import { withFolder } from "./folder.ts";
import type { Program, Use } from "./program.ts";

const PLAYBOOK = join(import.meta.dirname, "testdata/ansible.yaml");

/** A use that is the tasks of the playbook under a tag; they judge what they see themselves. */
const tasks = (tag: string, use: string): Use => ({
  use,
  run: (place) =>
    withFolder(async (dir) => {
      await place.run("ansible-playbook", PLAYBOOK, "--tags", tag, "-e", `dir=${dir}`);
    }),
});

/** Ansible's kubernetes.core 6.2.0, on the dynamic client of Python, which caches discovery. */
export const ansible: Program = {
  name: "Ansible",
  version: "v2.19.14",
  needs: ["ansible-playbook"],
  uses: [
    tasks("apply", "apply on the server and on the client, wait for a condition; again: no change"),
    tasks("check", "tell by check and diff mode what would change"),
    tasks("custom", "make a definition and an object of it, and patch that by JSON"),
    tasks("info", "find objects by selectors and short names, and list all APIs"),
    tasks("exec", "run a command in a pod, copy files to it and back, read its log"),
    tasks("scale", "scale a Deployment by its subresource; roll it back"),
    tasks("drain", "drain a node by evictions, which a budget refuses first"),
    tasks("remove", "remove by a label, a definition, and a namespace with all in it"),
  ],
};
