/**
 * How clips are heard and seen: transport, waveform, spectrogram, and the annotator's preferences about them.
 */

import { Player } from "./player.js";
import { prefer, preferences } from "./preferences.js";
import { RATE } from "./sound.js";
import { Spectrogram } from "./spectrogram.js";
import * as view from "./view.js";
import { peaksOf, Waveform } from "./waveform.js";

/** Seconds of the recording around a clip, for those who want them. */
export const CONTEXT_S = 3;

export class Listening {
  /** @param {{started: () => void, context: (seconds: number) => void}} on */
  constructor(on) {
    this.on = on;
    this.player = new Player({
      started: () => this.started(),
      stopped: () => view.playing(false),
      moved: (seconds) => this.moved(seconds),
      blocked: () => view.askForGesture(true),
    });
    this.waveform = new Waveform(document.querySelector("[data-wave]"), (fraction) => {
      this.player.seekTo(fraction * this.player.durationS);
      this.player.play();
    });
    this.canvas = document.querySelector("[data-spectrogram]");
    this.spectrogram = new Spectrogram(this.canvas);
    this.apply();
  }

  /** The seconds of context that are wanted. */
  get contextS() {
    return document.querySelector("[data-do=context]") && preferences().context ? CONTEXT_S : 0;
  }

  /** @returns {Record<string, () => void>} what keys and buttons do */
  get commands() {
    return {
      replay: () => this.player.replay(),
      back: () => this.player.back(1),
      forward: () => this.player.back(-1),
      slower: () => this.changeSpeed(-1),
      faster: () => this.changeSpeed(1),
      loop: () => this.turn("loop", "Loop"),
      level: () => this.turn("loudness", "Even loudness"),
      spectrogram: () => this.turn("spectrogram", "Spectrogram"),
      ...(document.querySelector("[data-do=context]") && {
        context: () => {
          this.turn("context", "Context");
          this.on.context(this.contextS);
        },
      }),
    };
  }

  changeSpeed(step) {
    const speed = this.player.changeSpeed(step);
    prefer("speed", speed);
    view.speed(speed);
    view.announce(`Speed ${speed}`);
  }

  turn(name, words) {
    prefer(name, !preferences()[name]);
    this.apply();
    view.announce(`${words} ${preferences()[name] ? "on" : "off"}`);
  }

  apply() {
    const wanted = preferences();
    this.player.setSpeed(wanted.speed);
    this.player.loop(wanted.loop);
    this.player.level(wanted.loudness);
    view.speed(this.player.speed);
    view.pressed("loop", wanted.loop);
    view.pressed("level", wanted.loudness);
    view.pressed("spectrogram", wanted.spectrogram);
    view.pressed("context", wanted.context);
    this.canvas.hidden = !wanted.spectrogram;
    this.drawSpectrogram();
  }

  /** A clip whose sound is still on its way. @param {{peaks: number[], durationS: number}} lease */
  expect(lease) {
    this.player.load(null);
    this.waveform.show(lease.peaks);
    this.spectrogram.show(null);
    view.clock(0, lease.durationS);
  }

  /** @param {{peaks: number[], sound: import("./sound.js").Sound}} lease the clip that sounds now */
  begin({ peaks, sound }) {
    const { fromS, untilS, durationS, samples } = sound;
    const around = samples && (fromS > 0.05 || untilS < durationS - 0.05);
    if (around) this.waveform.show(peaksOf(samples), [fromS / durationS, untilS / durationS]);
    else this.waveform.show(peaks);
    this.player.load(sound);
    this.moved(0);
    this.player.play();
    // drawn after the sound has been asked for: the eye can wait a frame, the ear must not
    requestAnimationFrame(() => this.drawSpectrogram());
  }

  /** Nothing sounds, and nothing is shown of what did: a press now is for no clip. */
  end() {
    this.player.load(null);
    this.waveform.show([]);
  }

  drawSpectrogram() {
    const samples = this.player.sound?.samples;
    this.spectrogram.show(!this.canvas.hidden && samples ? { samples, rate: RATE } : null);
  }

  started() {
    view.playing(true);
    view.askForGesture(false);
    this.on.started();
  }

  moved(seconds) {
    const at = Math.min(seconds, this.player.durationS);
    this.waveform.move(at, this.player.durationS);
    this.spectrogram.move(this.player.durationS ? at / this.player.durationS : 0);
    view.clock(at, this.player.durationS);
  }
}
