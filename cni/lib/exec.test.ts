import { join } from "node:path";
import { expect, test } from "vitest";
import { failureWithoutDescriptors } from "../../testing/few-descriptors.ts";

test("a plugin that gets no descriptors for its streams is a failure of its call alone", () => {
  const request = { command: "ADD", containerId: "", netns: "", ifName: "", args: "", path: [] };
  const failure = failureWithoutDescriptors(
    join(import.meta.dirname, "exec.ts"),
    `module.execInvoke(60_000)("/bin/true", ${JSON.stringify(request)}).catch((thrown) => {
      throw \`\${thrown.code}: \${thrown.message}\`;
    })`,
  );
  expect(failure).toMatch(/^try-again: .*EMFILE$/);
});
