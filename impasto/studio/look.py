"""Colors, type and space of the page. Everything comes from this machine: fonts are those that the system has."""

from pathlib import Path

from gradio.themes import Base, Color

CSS = Path(__file__).with_name("look.css")
SANS = ("Inter", "ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
MONO = ("ui-monospace", "SF Mono", "Menlo", "Consolas", "monospace")

# A gray with a little warmth, against which pictures keep their colors; red lead for what one presses
GRAYS = Color(
    "#faf9f7",
    "#f3f1ed",
    "#e7e4de",
    "#d5d1c9",
    "#a9a49a",
    "#7b766d",
    "#5b574f",
    "#413e38",
    "#2a2824",
    "#1d1c19",
    "#141311",
)
REDS = Color(
    "#fdf4f0",
    "#fbe5dc",
    "#f6c9b8",
    "#eea58b",
    "#e37c5a",
    "#cf5a35",
    "#b5472a",
    "#953823",
    "#782f20",
    "#63291d",
    "#36120c",
)

# name -> in the light, in the dark; None: what the theme makes of it
COLORS = {
    "body_background_fill": ("*neutral_50", "*neutral_950"),
    "body_text_color": ("*neutral_900", "*neutral_100"),
    "body_text_color_subdued": ("#6a655c", "#a39e94"),
    "background_fill_primary": ("#ffffff", "*neutral_900"),
    "background_fill_secondary": ("*neutral_100", "*neutral_900"),
    "block_background_fill": ("#ffffff", "*neutral_900"),
    "block_label_background_fill": ("#ffffff", "*neutral_900"),
    "block_label_text_color": ("*neutral_600", "*neutral_300"),
    "block_title_text_color": ("*neutral_800", "*neutral_100"),
    "block_info_text_color": ("#6a655c", "#a39e94"),
    "block_border_color": ("*neutral_200", "*neutral_800"),
    "border_color_primary": ("*neutral_200", "*neutral_800"),
    "border_color_accent": ("*primary_500", "*primary_400"),
    "input_background_fill": ("#ffffff", "#232220"),
    "input_border_color": ("*neutral_300", "*neutral_700"),
    "button_primary_background_fill": ("*primary_600", "*primary_600"),
    "button_primary_background_fill_hover": ("*primary_700", "*primary_500"),
    "button_primary_text_color": ("#ffffff", "#ffffff"),
    "button_secondary_background_fill": ("#ffffff", "#232220"),
    "button_secondary_background_fill_hover": ("*neutral_100", "*neutral_800"),
    "button_secondary_border_color": ("*neutral_300", "*neutral_700"),
    "button_secondary_text_color": ("*neutral_800", "*neutral_100"),
    "slider_color": ("*primary_600", "*primary_400"),
    "color_accent_soft": ("*primary_50", "#2b1d18"),
    "link_text_color": ("*primary_700", "*primary_300"),
    "link_text_color_hover": ("*primary_800", "*primary_200"),
    "checkbox_background_color_selected": ("*primary_600", "*primary_500"),
    "checkbox_label_background_fill": ("#ffffff", "#232220"),
    "checkbox_label_background_fill_selected": ("*primary_50", "#3a231b"),
    "checkbox_label_text_color": ("*neutral_800", "*neutral_100"),
    "checkbox_label_text_color_selected": ("*primary_800", "*primary_200"),
    "checkbox_label_border_color": ("*neutral_300", "*neutral_700"),
}
SIZES = {
    "color_accent": "*primary_600",
    "block_border_width": "1px",
    "block_label_text_size": "*text_sm",
    "block_label_text_weight": "500",
    "block_title_text_weight": "500",
    "block_shadow": "none",
    "block_padding": "12px 14px",
    "block_radius": "12px",
    "container_radius": "12px",
    "button_large_radius": "10px",
    "button_small_radius": "8px",
    "button_large_text_weight": "600",
    "input_radius": "8px",
    "input_border_width": "1px",
    "checkbox_label_border_width": "1px",
    "checkbox_border_width": "1px",
    "layout_gap": "14px",
    "button_primary_shadow": "none",
    "button_secondary_shadow": "none",
    "checkbox_label_shadow": "none",
    "input_shadow": "none",
}


def theme() -> Base:
    """The page's theme, light and dark."""
    made = Base(primary_hue=REDS, secondary_hue=GRAYS, neutral_hue=GRAYS, font=SANS, font_mono=MONO, radius_size="md")
    colors = {name: light for name, (light, _) in COLORS.items()}
    return made.set(**colors, **{f"{name}_dark": dark for name, (_, dark) in COLORS.items()}, **SIZES)
