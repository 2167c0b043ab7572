import { resolve } from "node:path";
import { readLabs } from "../../../labs/runner/manifest.ts";
import { labsInUse, readState } from "../../../labs/runner/state.ts";
import { OWN_PARTS } from "../../supervisor/own-parts.ts";
import { CommandError } from "../../terminal.ts";
import { ownPartsText } from "../status.ts";
import { say } from "./current.ts";

export async function build({ out }: { out: string }): Promise<void> {
  const { buildSite } = await import("../../../labs/site/build.ts");
  const pages = await buildSite({ out, labs: readLabs(), state: readState(), replays: true });
  say(`${pages.length} pages; open ${resolve(pages[0]!)}`);
}

/**
 * Plays the finish on the program that runs this command, with the parts that are in use. Throws
 * when one of them is not in this program: the reference would be played in its name.
 */
export async function finish(): Promise<void> {
  const lacking = labsInUse().filter((number) => !OWN_PARTS.includes(number));
  if (lacking.length > 0) {
    const text = `your part of lab ${lacking.join(", ")} is in use, and not in this program`;
    throw new CommandError("NOT_BUILT", text, {
      remedy: "./r2k lab finish, without R2K_SOURCE; or npm run lab use reference all",
    });
  }
  const { playFinish } = await import("../../../labs/finish/finish.ts");
  const whose = OWN_PARTS.length > 0 ? ownPartsText(OWN_PARTS) : "the reference in every part";
  say(`Three members, with ${whose}: load, a killed leader, a partition, a power failure ...`);
  const { acknowledged, diagram } = await playFinish(process.argv[1]!);
  for (const line of diagram) say(line);
  say(`\n${acknowledged} writes were acknowledged; none is lost.`);
}
