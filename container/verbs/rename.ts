import { withEngine } from "../engine/engine.ts";
import { requireName } from "../engine/names.ts";
import { verb } from "../verb.ts";

export const rename = verb(
  "rename <container> <name>",
  "Give a container another name.",
  {},
  async (host, [container, name]) => {
    await withEngine(host, async ({ containers }) => {
      const found = containers.get(container);
      containers.requireFree(requireName("container", name));
      await containers.change(found, { name });
    });
  },
);
