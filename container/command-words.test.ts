import { Command } from "commander";
import { expect, test } from "vitest";
import { flagsAsHere } from "./command-words.ts";

const command = new Command("run")
  .option("-i, --interactive")
  .option("--rm")
  .option("--no-cache")
  .option("-e, --env <pair>")
  .option("--network <name>");
const read = (text: string, stopsAtOperand = true) =>
  flagsAsHere(command, text.split(" "), { stopsAtOperand }).join(" ");

test("flags are read as Go's", () => {
  expect(read("--rm=true --no-cache=false -i=1 x")).toBe("--rm -i x");
  expect(read("-e=A=b --env=C=d --net=none --net none")).toBe(
    "-e A=b --env C=d --network none --network none",
  );
  expect(read("--rm=maybe --what=true")).toBe("--rm=maybe --what=true");
});

test("the last of a flag's values counts, and subcommands have flags of their own", () => {
  expect(read("--rm -e --rm --rm=false -i=0 x")).toBe("-e --rm x");
  expect(read("constructor --net=x", false)).toBe("constructor --network x");
  const volume = new Command("volume");
  volume.command("rm").option("-f, --force");
  const words = ["rm", "--force=true", "x", "--force=false", "-f"];
  expect(flagsAsHere(volume, words, { stopsAtOperand: false })).toEqual(["rm", "x", "-f"]);
});

test("a flag's value and a program's words are none of the flags", () => {
  expect(read("-e --rm=true -ie --rm=true --env --net=x")).toBe(
    "-e --rm=true -ie --rm=true --env --net=x",
  );
  expect(read("--rm image --rm=true --net=x")).toBe("--rm image --rm=true --net=x");
  expect(read("image --rm=true -- --net=x", false)).toBe("image --rm -- --net=x");
});
