import { Playback } from "../playback.ts";
import type { Recording, ReplayCase } from "../recording.ts";
import { button, html } from "./dom.ts";
import { icon } from "./icons.ts";
import { Player } from "./player.ts";
import { Events } from "./widgets/events.ts";
import { drawLegend } from "./widgets/legend.ts";
import { Scrubber } from "./widgets/scrubber.ts";
import { States } from "./widgets/states.ts";
import { Timeline } from "./widgets/timeline.ts";
import { drawVerdict } from "./widgets/verdict.ts";

const SPEEDS = [0.25, 0.5, 1, 2, 4];
/** A replay starts a little before the first deviation, or some way into the recording. */
const FIRST_PLACE = 700;

/** One case on the page: the timeline, the controls, the states, the events. */
export class View {
  readonly element = html("main");
  readonly #case: ReplayCase;
  readonly #source: string;
  #isReference: boolean;
  #showsHeartbeats = true;
  #speed = 1;
  #player!: Player;
  #widgets: { show(at: number): void }[] = [];
  #play = html("button", { type: "button" });

  constructor(
    shown: ReplayCase,
    source: string,
    { at, reference }: { at?: number; reference?: boolean },
  ) {
    this.#case = shown;
    this.#source = source;
    // A part that is not written yet has done nothing: the reference shows what is to be done.
    const isEmpty = shown.own.events.length === 0;
    this.#isReference = (reference ?? isEmpty) && shown.reference !== undefined;
    this.#build(at);
  }

  get #recording(): Recording {
    return this.#isReference ? this.#case.reference! : this.#case.own;
  }

  /** Draws the present again, after a change of the page's size for example. */
  show(): void {
    for (const widget of this.#widgets) widget.show(this.#player.at);
    this.#play.replaceChildren(icon(this.#player.isPlaying ? "pause" : "play"));
  }

  end(): void {
    this.#player.stop();
  }

  /** Keys: space plays, arrows step, D goes to the deviation, Home and End to the ends. */
  pressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { deviation } = this.#case;
    const actions: Readonly<Record<string, () => void>> = {
      " ": () => this.#player.toggle(),
      ArrowRight: () => this.#player.step(1),
      ArrowLeft: () => this.#player.step(-1),
      Home: () => this.#player.seek(this.#recording.begin),
      End: () => this.#player.seek(this.#recording.end),
      d: () => deviation && this.#player.seek(deviation.at),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  #build(at: number | undefined): void {
    const playback = new Playback(this.#recording);
    const { deviation, about } = this.#case;
    const start = at ?? deviation?.at ?? playback.timeAt(Math.min(FIRST_PLACE, playback.length));
    this.#player = new Player(playback, start, () => this.show());
    this.#player.speed = this.#speed;
    const seek = (time: number) => this.#player.seek(time);
    const options = { playback, deviation, showsHeartbeats: this.#showsHeartbeats, onPick: seek };
    const timeline = new Timeline(options);
    const scrubber = new Scrubber(playback, deviation, seek);
    const states = new States(playback);
    const events = new Events(playback, seek);
    this.#widgets = [timeline, scrubber, states, events];
    const verdict = drawVerdict(this.#case, this.#source, (event) => events.describe(event));
    this.element.replaceChildren(
      html("p", { class: "about" }, about),
      ...verdict,
      html(
        "section",
        { class: "stage" },
        timeline.element,
        this.#controls(scrubber),
        html("div", { class: "more" }, this.#settings(), drawLegend(this.#recording)),
      ),
      html(
        "section",
        { class: "below" },
        states.element,
        html("aside", {}, html("h2", {}, "Events"), events.element),
      ),
      html("footer", {}, html("code", {}, this.#case.command), ` · ${this.#case.variant}`),
    );
  }

  /** Builds everything again at the same time: another recording, or other messages. */
  #rebuild(): void {
    const { at } = this.#player;
    this.#player.stop();
    this.#build(at);
    this.show();
  }

  #controls(scrubber: Scrubber): HTMLElement {
    const player = () => this.#player;
    this.#play = button("play or stop (space)", icon("play"), () => player().toggle());
    this.#play.classList.add("play");
    const buttons = html(
      "div",
      { class: "buttons" },
      button("to the beginning (Home)", icon("first"), () => player().seek(this.#recording.begin)),
      button("one step back (←)", icon("back"), () => player().step(-1)),
      this.#play,
      button("one step on (→)", icon("on"), () => player().step(1)),
      button("to the end (End)", icon("last"), () => player().seek(this.#recording.end)),
    );
    return html("div", { class: "controls" }, buttons, scrubber.element);
  }

  #settings(): HTMLElement {
    const { deviation, reference } = this.#case;
    const settings = html("div", { class: "settings" });
    if (deviation) {
      const jump = button("to the first deviation (D)", "first deviation", () => {
        this.#player.seek(deviation.at);
      });
      jump.classList.add("jump");
      settings.append(jump);
    }
    if (reference) {
      const switched = button("the other run of this seed", "", () => {
        this.#isReference = !this.#isReference;
        this.#rebuild();
      });
      switched.textContent = `show ${this.#isReference ? "the judged run" : "the reference"}`;
      settings.append(switched);
    }
    const speed = html("select", { "aria-label": "speed" });
    for (const each of SPEEDS) {
      const option = html("option", { value: each }, `${each}×`);
      option.selected = each === this.#speed;
      speed.append(option);
    }
    speed.addEventListener("change", () => {
      this.#speed = Number(speed.value);
      this.#player.speed = this.#speed;
    });
    settings.append(speed, this.#heartbeats());
    return settings;
  }

  #heartbeats(): HTMLElement {
    const box = html("input", { type: "checkbox" });
    box.checked = this.#showsHeartbeats;
    box.addEventListener("change", () => {
      this.#showsHeartbeats = box.checked;
      this.#rebuild();
    });
    const has = this.#recording.events.some((event) => {
      return event.kind === "message" && event.family === "heartbeat";
    });
    return has ? html("label", {}, box, " heartbeats") : html("span");
  }
}
